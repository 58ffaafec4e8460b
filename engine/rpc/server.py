"""Build, run and drain the gRPC server of the stateless core."""

import asyncio
import gc
import secrets
import signal
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import grpc
import grpc.aio
import msgspec
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from structlog.typing import FilteringBoundLogger

from engine import limits
from engine.rpc import aggregation_service
from engine.rpc.aggregation_service import AggregationService
from engine.rpc.basket_service import SERVICE_NAME, BasketService, Clock
from engine.rpc.calls import Calls
from engine.rpc.catalog_files import read_catalogs
from engine.rpc.catalogues import Catalogues, Plans
from engine.rpc.edit_basket import BasketEditor
from engine.rpc.sessions import Sessions

Health = health.aio.HealthServicer
"""The health service: reports each service by its full name."""

CORE_SERVICE_NAMES: Final = (SERVICE_NAME, aggregation_service.SERVICE_NAME)
"""The services of the stateless core, for health and reflection."""

LISTEN_DEFAULT: Final = "127.0.0.1:50051"
DRAIN_SECONDS_DEFAULT: Final = 0.0
GRACE_SECONDS_DEFAULT: Final = 10.0
EVALUATION_THREADS: Final = 4

_MS_PER_SECOND: Final = 1000
_STOP_SECONDS_MAX = 2.0
"""How long the transport may take to stop after its grace."""

METADATA_BYTES_MAX: Final = 8 * 1024
METADATA_BYTES_REFUSED: Final = 16 * 1024
"""From the first size some, from the second all calls are refused for their metadata."""

OPTIONS: Final = (
    ("grpc.max_concurrent_streams", 100),
    ("grpc.max_receive_message_length", limits.EVALUATE_MESSAGE_BYTES_MAX),
    ("grpc.max_metadata_size", METADATA_BYTES_MAX),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES_REFUSED),
    # One process owns the port: a second copy fails to bind instead of taking half of the calls.
    ("grpc.so_reuseport", 0),
    # Tills ping more often than every 5 minutes, also while they are idle.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)
"""The options of a server; the number of streams bounds what a rapid reset of streams costs."""


class CoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the stateless core.

    Attributes:
        listen: Host and port; port 0 takes a free one.
        catalogs: Directories or context files, as `engine.rpc.catalog_files` reads them.
        drain_seconds: How long calls are still taken after SIGTERM, so that a balancer notices.
        grace_seconds: How long calls under way may take after that.
        connection_age_seconds: After so long clients are asked to connect anew; 0 for never.
    """

    listen: str = LISTEN_DEFAULT
    catalogs: tuple[Path, ...] = ()
    drain_seconds: float = DRAIN_SECONDS_DEFAULT
    grace_seconds: float = GRACE_SECONDS_DEFAULT
    connection_age_seconds: float = 0.0


async def run_core(
    settings: CoreSettings,
    *,
    clock: Clock = time.time_ns,
    is_shared: bool = False,
    on_listening: Callable[[int], None] = lambda _: None,
) -> None:
    """Run the stateless core until SIGTERM or SIGINT, and drain it.

    Args:
        settings: The settings.
        clock: The moment of baskets that state none.
        is_shared: Whether other workers have the same port.
        on_listening: Called with the port as soon as calls are answered.

    Raises:
        InvalidInput: A catalogue is bad.
        OSError: A catalogue cannot be read.
        RuntimeError: The address cannot be bound.
    """
    log: FilteringBoundLogger = structlog.get_logger().bind()
    contexts = read_catalogs(settings.catalogs)
    with (
        stop_signals() as signals,
        ThreadPoolExecutor(EVALUATION_THREADS, thread_name_prefix="evaluate") as executor,
    ):
        catalogues = Catalogues(contexts, executor=executor)
        server = new_server(
            is_shared=is_shared, connection_age_seconds=settings.connection_age_seconds
        )
        calls = Calls(log)
        health_servicer = new_health(server)
        await add_core_services(
            server, catalogues, clock, health_servicer, calls=calls, executor=executor, log=log
        )
        enable_reflection(server, CORE_SERVICE_NAMES)
        port = server.add_insecure_port(settings.listen)
        await server.start()
        settle_memory()
        event = "worker_ready" if is_shared else "listening"
        log.info(event, address=settings.listen, port=port, markets=catalogues.market_ids)
        on_listening(port)
        await drain_on_signal(
            server,
            signals,
            health_servicer=health_servicer,
            calls=calls,
            drain_seconds=settings.drain_seconds,
            grace_seconds=settings.grace_seconds,
            log=log,
        )


def new_server(*, is_shared: bool = False, connection_age_seconds: float = 0.0) -> grpc.aio.Server:
    """Return a server with the options of `OPTIONS` and without services.

    Args:
        is_shared: Whether other processes have the same port: the system deals the connections.
        connection_age_seconds: After so long, give or take a tenth, a client is asked to connect
            anew, and so may come to another process; calls under way are finished on the old
            connection, however long they take. 0 for never.
    """
    options = dict(OPTIONS)
    if is_shared:
        options["grpc.so_reuseport"] = 1
    if connection_age_seconds:
        options["grpc.max_connection_age_ms"] = round(connection_age_seconds * _MS_PER_SECOND)
    return grpc.aio.server(options=tuple(options.items()))


def new_health(server: grpc.aio.Server) -> Health:
    """Add the health service and return it; services report themselves to it."""
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    return servicer


async def add_core_services(
    server: grpc.aio.Server,
    catalogues: Plans,
    clock: Clock,
    health_servicer: Health,
    *,
    calls: Calls,
    executor: Executor,
    log: FilteringBoundLogger,
    sessions: Sessions | None = None,
) -> None:
    """Add the services of the stateless core to a server, and report them as serving.

    Args:
        server: A server that has not started.
        catalogues: The plans; they may be replaced while the server runs.
        clock: The moment of baskets that state none.
        health_servicer: Reports each of `CORE_SERVICE_NAMES`.
        calls: Counts the calls, for the drain.
        executor: Evaluates large baskets.
        log: Takes a line for each call.
        sessions: Holds the sessions of EditBasket; `new_sessions()` unless given.
    """
    held = new_sessions() if sessions is None else sessions
    editor = BasketEditor(catalogues, held, clock=clock, executor=executor, log=log)
    service = BasketService(
        catalogues, clock=clock, executor=executor, log=log, edit_basket=editor.edit_basket
    )
    aggregation = AggregationService(executor=executor)
    server.add_generic_rpc_handlers((service.handler(calls), aggregation.handler(calls)))
    for name in CORE_SERVICE_NAMES:
        await health_servicer.set(name, health_pb2.HealthCheckResponse.SERVING)


def new_sessions() -> Sessions:
    """Return the table of sessions, with ids of 128 random bits."""
    return Sessions(clock=time.monotonic_ns, new_id=lambda: secrets.token_urlsafe(16))


def enable_reflection(server: grpc.aio.Server, service_names: Iterable[str]) -> None:
    """Add the reflection service, which lists the services, health and itself."""
    every = (*service_names, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(every, server)


def settle_memory() -> None:
    """Take what was loaded at the start out of the garbage collector's sight."""
    gc.collect()
    gc.freeze()


class StopSignals(NamedTuple):
    """SIGTERM and SIGINT: the first one asks for a drain, the second one for a stop at once."""

    first: asyncio.Event
    second: asyncio.Event


@contextmanager
def stop_signals() -> Generator[StopSignals, None, None]:
    """Yield the signals, which are caught from here on and not afterwards."""
    loop = asyncio.get_running_loop()
    signals = StopSignals(asyncio.Event(), asyncio.Event())

    def on_signal() -> None:
        (signals.second if signals.first.is_set() else signals.first).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        yield signals
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def drain_on_signal(
    server: grpc.aio.Server,
    signals: StopSignals,
    *,
    health_servicer: Health,
    calls: Calls,
    drain_seconds: float,
    grace_seconds: float,
    log: FilteringBoundLogger,
) -> None:
    """Wait for the first signal and drain the server; the second one stops it at once."""
    await signals.first.wait()
    log.info("draining", active_count=calls.active_count)
    draining = asyncio.create_task(
        drain(
            server,
            health_servicer=health_servicer,
            calls=calls,
            drain_seconds=drain_seconds,
            grace_seconds=grace_seconds,
        )
    )
    hurry = asyncio.create_task(signals.second.wait())
    await asyncio.wait({draining, hurry}, return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if not draining.done():
        draining.cancel()
        await stop(server, grace_seconds=0.0)
    await asyncio.wait({draining})
    log.info("stopped", active_count=calls.active_count)


async def drain(
    server: grpc.aio.Server,
    *,
    health_servicer: Health,
    calls: Calls,
    drain_seconds: float,
    grace_seconds: float,
) -> None:
    """Report that nothing is served, wait for balancers, end the streams, finish the calls, stop.

    Watchers of health and reflection do not hold the stop up: it waits for the calls alone.
    """
    await health_servicer.enter_graceful_shutdown()
    if drain_seconds > 0:
        await asyncio.sleep(drain_seconds)
    calls.drain()
    stopping = asyncio.create_task(stop(server, grace_seconds=grace_seconds))
    idle = asyncio.create_task(calls.idle())
    await asyncio.wait({stopping, idle}, return_when=asyncio.FIRST_COMPLETED)
    idle.cancel()
    if not stopping.done():
        await stop(server, grace_seconds=0.0)
        await stopping


async def stop(server: grpc.aio.Server, *, grace_seconds: float) -> None:
    """Refuse new calls, give those under way their grace, and stop, in bounded time."""
    try:
        async with asyncio.timeout(grace_seconds + _STOP_SECONDS_MAX):
            await server.stop(grace_seconds)
    except TimeoutError:
        structlog.get_logger().warning("stop_timed_out", grace_seconds=grace_seconds)
