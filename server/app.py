"""Build what `tillcore serve` runs: the one place that knows all parts."""

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import grpc.aio
import msgspec
import structlog
from cyclopts import Parameter
from grpc_health.v1 import health_pb2
from structlog.typing import FilteringBoundLogger

from engine.errors import StoreUnavailable, TillcoreError
from engine.journal.keys import BadKeyError
from engine.rpc.calls import Calls
from engine.rpc.catalog_files import read_catalog_files
from engine.rpc.log import configure_log
from engine.rpc.server import (
    CORE_SERVICE_NAMES,
    EVALUATION_THREADS,
    Health,
    StopSignals,
    add_core_services,
    drain_on_signal,
    enable_reflection,
    new_health,
    new_server,
    settle_memory,
    stop_signals,
)
from server.auth import Authenticator, Gatekeeper, Principal, Scope, required_scopes
from server.catalogues import AccountCatalogues
from server.config import LogLevel, Settings, load
from server.http.status import StatusPages, serving_status
from server.initial import fill
from server.journal_key import KEY_FILE, JournalKey, open_journal_key
from server.observability.checkout_counts import CheckoutCounts
from server.observability.counts import Counts
from server.observability.metrics import Metrics
from server.observability.readiness import Readiness
from server.plans import Plans
from server.registers.recomputing import RECOMPUTATIONS, Recomputations, recomputing
from server.rpc import (
    admin_service,
    catalog_service,
    checkout_service,
    order_service,
    register_service,
    stock_service,
)
from server.rpc.admin_service import AdminService
from server.rpc.catalog_service import CatalogService
from server.rpc.checkout_service import CheckoutService
from server.rpc.key_methods import KeyMethods
from server.rpc.order_service import OrderService
from server.rpc.register_service import RegisterService
from server.rpc.stock_service import StockService
from server.storage import Store, StoreSettings, open_store
from server.tls import server_credentials

DEMO_PACKAGE: Final = "clients.examples"
DEMO_CATALOG: Final = "catalog"
"""Where the sample catalogue is in the installed package: files, nothing that is imported."""

STATUS_FAILED: Final = 1

Clock = Callable[[], int]

DEMO_SCOPES: Final = frozenset({Scope.IMPORT, Scope.REGISTER, Scope.READ, Scope.EXPORT_ADMIN})
"""What everybody may do under `--demo`, without a key."""


def serve(
    *,
    demo: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    listen: str | None = None,
    http: str | None = None,
    data: Path | None = None,
    catalog: Annotated[
        tuple[Path, ...], Parameter(negative="", consume_multiple=False, show_default=False)
    ] = (),
    config: Path | None = None,
    log_level: LogLevel | None = None,
) -> int:
    """Serve everything in one process until SIGTERM.

    Calls need a key: `tillcore apikey create` makes the first one. docs/operations.md has every
    setting; what stands here overrides the file and the environment.

    Args:
        demo: Make the account demo with a sample market and a fresh key, which is printed, load
            the sample catalogue, and let everybody in without a key.
        listen: Host and port, 127.0.0.1:50051 unless told otherwise; port 0 takes a free one,
            which the log names.
        http: Host and port of /livez, /readyz, /startupz and /metrics, 127.0.0.1:8080 unless told
            otherwise; port 0 takes a free one, an empty text none.
        data: Directory of the embedded database, ./tillcore-data unless told otherwise.
        catalog: Directory with market.json and, each optional, products.json,
            discount_campaigns.json, product_rules.json and purchase_types.json; or with one such
            directory for each market; or a file with a whole context. May be given several times.
        config: File with the settings, as TOML.
        log_level: What is logged: every call at debug, failed ones at info.
    """
    try:
        settings = load_settings(
            config, listen=listen, http=http, data=data, catalog=catalog, log_level=log_level
        )
        configure_log(settings.server.log_level)
        with ExitStack() as stack:
            sample: tuple[Path, ...] = ()
            if demo:
                files = resources.files(DEMO_PACKAGE) / DEMO_CATALOG
                sample = (stack.enter_context(resources.as_file(files)),)
            asyncio.run(run(settings, sample=sample, is_demo=demo))
    except (TillcoreError, BadKeyError, OSError, RuntimeError) as error:
        sys.stderr.write(f"error: {error}\n")
        return STATUS_FAILED
    return 0


def load_settings(
    path: Path | None,
    *,
    listen: str | None = None,
    http: str | None = None,
    data: Path | None = None,
    catalog: tuple[Path, ...] = (),
    log_level: LogLevel | None = None,
) -> Settings:
    """Return the settings of a file and the environment, with those of the command line over them.

    Raises:
        InvalidInput: A setting is bad.
        OSError: The file cannot be read.
    """
    settings = load(path)
    server, replace = settings.server, msgspec.structs.replace
    if listen is not None:
        server = replace(server, listen=listen)
    if http is not None:
        server = replace(server, http=http)
    if log_level is not None:
        server = replace(server, log_level=log_level)
    return replace(
        settings,
        server=server,
        data=settings.data if data is None else replace(settings.data, directory=data),
        catalog=replace(settings.catalog, paths=(*settings.catalog.paths, *catalog)),
    )


def store_settings(settings: Settings, *, is_migrating: bool = False) -> StoreSettings:
    """Return where the store is."""
    return StoreSettings(
        directory=settings.data.directory,
        url=settings.database.url,
        connection_count=settings.database.connections,
        is_migrating=is_migrating,
    )


async def run(
    settings: Settings,
    *,
    sample: tuple[Path, ...] = (),
    is_demo: bool = False,
    clock: Clock = time.time_ns,
    on_listening: Callable[[int], None] = lambda _: None,
) -> None:
    """Serve until SIGTERM or SIGINT, and drain.

    Args:
        settings: The settings.
        sample: Catalogues beside those of the settings.
        is_demo: Whether everybody is let in, to an account that is made.
        clock: The present moment, in nanoseconds since 1970-01-01 UTC.
        on_listening: Called with the port as soon as calls are answered.

    Raises:
        InvalidInput: A setting or a catalogue is bad.
        StoreUnavailable: The store cannot be opened, or failed for good.
        OSError: A file cannot be read.
        RuntimeError: The address cannot be bound.
    """
    log: FilteringBoundLogger = structlog.get_logger().bind()
    own_files = read_catalog_files(settings.catalog.paths)
    sample_files = read_catalog_files(sample)
    credentials = server_credentials(settings.tls)
    journal_key = open_journal_key(
        settings.journal.key or settings.data.directory / KEY_FILE,
        password=settings.journal.password.encode() or None,
    )
    with (
        stop_signals() as signals,
        ThreadPoolExecutor(EVALUATION_THREADS, thread_name_prefix="evaluate") as executor,
    ):
        async with (
            serving_status(settings.server.http) as pages,
            open_store(store_settings(settings, is_migrating=is_demo)) as store,
        ):
            await fill(store, settings, own_files, sample_files, clock, is_demo=is_demo)
            markets = [each.context.market.id for each in (*own_files, *sample_files)]
            process = _Process(settings, clock, log, signals, executor, store, pages)

            def listen(server: grpc.aio.Server) -> int:
                return _add_port(server, settings.server.listen, credentials)

            def announce(port: int) -> None:
                log.info(
                    "listening",
                    address=settings.server.listen,
                    port=port,
                    http_port=pages.port,
                    markets=markets,
                )
                on_listening(port)

            await _serve(process, journal_key, listen=listen, announce=announce, is_demo=is_demo)


class _Process(NamedTuple):
    """What the parts of one process share."""

    settings: Settings
    clock: Clock
    log: FilteringBoundLogger
    signals: StopSignals
    executor: Executor
    store: Store
    pages: StatusPages


async def _serve(
    process: _Process,
    journal_key: JournalKey,
    *,
    listen: Callable[[grpc.aio.Server], int],
    announce: Callable[[int], None],
    is_demo: bool,
) -> None:
    """Build the services over an open store, answer calls, and drain.

    Args:
        process: What they share.
        journal_key: Signs the journals.
        listen: Adds the port and returns it.
        announce: Called with the port as soon as calls are answered.
        is_demo: Whether everybody is let in.
    """
    settings, clock, log, signals, executor, store, pages = process
    server = new_server()
    health = new_health(server)
    counts = Counts()
    async with (
        open_plans(store) as plans,
        recomputing(store, journal_key, clock=clock, log=log) as recomputations,
        _gate(store, settings, clock, is_demo=is_demo) as (authenticator, gate),
    ):
        calls = Calls(log, gate=gate, meter=counts.calls)
        await add_core_services(
            server,
            AccountCatalogues(plans, executor=executor),
            clock,
            health,
            calls=calls,
            executor=executor,
            log=log,
            sessions=counts.sessions,
        )
        names = await add_services(
            server,
            health,
            calls,
            store,
            authenticator,
            plans,
            journal_key,
            recomputations,
            clock=clock,
            executor=executor,
            history_days=settings.catalog.history_days,
            counts=counts.checkouts,
        )
        enable_reflection(server, (*CORE_SERVICE_NAMES, *names))
        port = listen(server)
        await server.start()
        pages.started(_readiness(process), _metrics(process, plans, counts))
        settle_memory()
        announce(port)
        await _drain(server, signals, health, calls, store, settings, log)


def _readiness(process: _Process) -> Readiness:
    return Readiness(
        process.store,
        is_draining=process.signals.first.is_set,
        free_bytes=_free_bytes(process.settings),
        free_bytes_min=process.settings.data.free_bytes_min,
    )


def _metrics(process: _Process, plans: Plans, counts: Counts) -> Metrics:
    return Metrics(
        counts,
        store=process.store,
        plans=plans,
        free_bytes=_free_bytes(process.settings),
        clock=process.clock,
        others=(RECOMPUTATIONS,),
    )


async def add_services(
    server: grpc.aio.Server,
    health: Health,
    calls: Calls,
    store: Store,
    authenticator: Authenticator,
    plans: Plans,
    journal_key: JournalKey,
    recomputations: Recomputations,
    *,
    clock: Clock,
    executor: Executor,
    history_days: int,
    counts: CheckoutCounts | None = None,
) -> tuple[str, ...]:
    """Add the services that keep something, report them as serving, and return their names.

    Args:
        server: A server that has not started.
        health: Reports each service.
        calls: Has the gate that asks for keys.
        store: Keeps everything.
        authenticator: Knows the keys.
        plans: Told of every change that evaluation depends on.
        journal_key: Signs the journals.
        recomputations: Checks every register close.
        clock: The present moment, in nanoseconds since 1970-01-01 UTC.
        executor: Evaluates, so that others do not wait.
        history_days: How long past revisions of the catalogue are kept.
        counts: Counts the checkouts that are recorded, for whoever reads it.
    """
    keys = KeyMethods(store, authenticator, clock=clock)
    services: dict[
        str,
        AdminService
        | CatalogService
        | CheckoutService
        | OrderService
        | RegisterService
        | StockService,
    ] = {
        admin_service.SERVICE_NAME: AdminService(store, keys, plans, clock=clock),
        catalog_service.SERVICE_NAME: CatalogService(
            store, plans, clock=clock, history_days=history_days
        ),
        checkout_service.SERVICE_NAME: CheckoutService(
            store,
            plans,
            journal_key,
            clock=clock,
            executor=executor,
            counts=counts,
        ),
        order_service.SERVICE_NAME: OrderService(store, plans, clock=clock),
        register_service.SERVICE_NAME: RegisterService(
            store, journal_key, recomputations, clock=clock
        ),
        stock_service.SERVICE_NAME: StockService(store, clock=clock),
    }
    server.add_generic_rpc_handlers(tuple(each.handler(calls) for each in services.values()))
    for name in services:
        await health.set(name, health_pb2.HealthCheckResponse.SERVING)
    return tuple(services)


def _free_bytes(settings: Settings) -> Callable[[], int] | None:
    """Return what tells the room on the disk of the embedded database, None for PostgreSQL."""
    if settings.database.url:
        return None
    return lambda: shutil.disk_usage(settings.data.directory).free


def _add_port(
    server: grpc.aio.Server, listen: str, credentials: grpc.ServerCredentials | None
) -> int:
    if credentials is None:
        return server.add_insecure_port(listen)
    return server.add_secure_port(listen, credentials)


@asynccontextmanager
async def _gate(
    store: Store, settings: Settings, clock: Clock, *, is_demo: bool
) -> AsyncGenerator[tuple[Authenticator, Gatekeeper], None]:
    """Yield what knows keys and what asks for them; write their last uses until the end."""
    authenticator = Authenticator(store, clock=clock, monotonic_ns=time.monotonic_ns)
    anybody = Principal(account_id=settings.catalog.account, scopes=DEMO_SCOPES)
    gate = Gatekeeper(authenticator, required_scopes(), anybody=anybody if is_demo else None)
    writing = asyncio.create_task(authenticator.run())
    try:
        yield authenticator, gate
    finally:
        writing.cancel()
        # Nothing hangs on the last uses: the end of the process does not fail for them.
        with suppress(TillcoreError):
            await authenticator.write_uses()


@asynccontextmanager
async def open_plans(store: Store) -> AsyncGenerator[Plans, None]:
    """Yield the plans of a store, which are kept up with it until the end."""
    with ThreadPoolExecutor(1, thread_name_prefix="compile") as executor:
        plans = Plans(store, executor=executor)
        keeping_up = asyncio.create_task(plans.run())
        try:
            yield plans
        finally:
            keeping_up.cancel()


async def _drain(
    server: grpc.aio.Server,
    signals: StopSignals,
    health: Health,
    calls: Calls,
    store: Store,
    settings: Settings,
    log: FilteringBoundLogger,
) -> None:
    """Wait for a signal or for the end of the store, and drain.

    Raises:
        StoreUnavailable: The store failed for good; the next start recovers.
    """
    draining = asyncio.create_task(
        drain_on_signal(
            server,
            signals,
            health_servicer=health,
            calls=calls,
            drain_seconds=settings.server.drain_seconds,
            grace_seconds=settings.server.grace_seconds,
            log=log,
        )
    )
    failing = asyncio.create_task(store.failed())
    await asyncio.wait({draining, failing}, return_when=asyncio.FIRST_COMPLETED)
    if failing.done():
        log.error("store_failed", reason=failing.result())
        signals.first.set()
        await draining
        raise StoreUnavailable(failing.result())
    failing.cancel()
    await draining
