"""Build what `tillcore serve` runs: the one place that knows all parts."""

import asyncio
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, ExitStack
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

import grpc.aio
import msgspec
import structlog
from cyclopts import Parameter
from structlog.typing import FilteringBoundLogger

from engine.errors import TillcoreError
from engine.journal.keys import BadKeyError
from engine.rpc.catalog_files import read_catalog_files
from engine.rpc.log import configure_log
from engine.rpc.server import (
    EVALUATION_THREADS,
    stop_signals,
)
from engine.rpc.supervisor import check_worker_count
from server.colleague import Colleague
from server.config import LogLevel, Settings, load
from server.front.opening import front_socket
from server.http.hosts import Hosts
from server.http.site import Site, serving_site
from server.initial import fill
from server.journal_key import KEY_FILE, open_journal_key
from server.process import Clock, Process, serve_process
from server.storage import Store, StoreSettings, open_store
from server.tls import server_credentials
from server.workers import run_workers

DEMO_PACKAGE: Final = "clients.examples"
DEMO_CATALOG: Final = "catalog"
"""Where the sample catalogue is in the installed package: files, nothing that is imported."""

STATUS_FAILED: Final = 1


def serve(
    *,
    demo: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    listen: str | None = None,
    http: str | None = None,
    front: str | None = None,
    data: Path | None = None,
    catalog: Annotated[
        tuple[Path, ...], Parameter(negative="", consume_multiple=False, show_default=False)
    ] = (),
    config: Path | None = None,
    workers: int | None = None,
    log_level: LogLevel | None = None,
) -> int:
    """Serve everything until SIGTERM.

    Calls need a key: `tillcore apikey create` makes the first one. docs/operations.md has every
    setting; what stands here overrides the file and the environment.

    Args:
        demo: Make the account demo with a sample market and a fresh key, which is printed, load
            the sample catalogue, and let everybody in without a key.
        listen: Host and port, 127.0.0.1:50051 unless told otherwise; port 0 takes a free one,
            which the log names.
        http: Host and port of pages, imports, calls of browsers and status, 127.0.0.1:8080 unless
            told otherwise; port 0 takes a free one, an empty text none.
        front: Address and port of the fast front, or unix: and the path of a socket; an empty text
            for none. Unless told otherwise 127.0.0.1:50052, where that is possible.
        data: Directory of the embedded database, ./tillcore-data unless told otherwise.
        catalog: Directory with market.json and, each optional, products.json,
            discount_campaigns.json, product_rules.json and purchase_types.json; or with one such
            directory for each market; or a file with a whole context. May be given several times.
        config: File with the settings, as TOML.
        workers: Processes that share the addresses and the database, 1 unless told otherwise;
            about as many as there are cores.
        log_level: What is logged: every call at debug, failed ones at info.
    """
    try:
        settings = load_settings(
            config,
            listen=listen,
            http=http,
            front=front,
            data=data,
            catalog=catalog,
            workers=workers,
            log_level=log_level,
        )
        configure_log(settings.server.log_level)
        check_worker_count(settings.server.workers, field="server.workers")
        with ExitStack() as stack:
            if settings.server.workers > 1:
                asyncio.run(run_workers(settings, is_demo=demo))
            else:
                sample = sample_files(stack) if demo else ()
                asyncio.run(run(settings, sample=sample, is_demo=demo))
    except (TillcoreError, BadKeyError, OSError, RuntimeError) as error:
        sys.stderr.write(f"error: {error}\n")
        return STATUS_FAILED
    return 0


def sample_files(stack: ExitStack) -> tuple[Path, ...]:
    """Return the sample catalogue, whose files are there until the end of a stack."""
    files = resources.files(DEMO_PACKAGE) / DEMO_CATALOG
    return (stack.enter_context(resources.as_file(files)),)


def load_settings(
    path: Path | None,
    *,
    listen: str | None = None,
    http: str | None = None,
    front: str | None = None,
    data: Path | None = None,
    catalog: tuple[Path, ...] = (),
    workers: int | None = None,
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
    if front is not None:
        server = replace(server, front=front)
    if workers is not None:
        server = replace(server, workers=workers)
    if log_level is not None:
        server = replace(server, log_level=log_level)
    return replace(
        settings,
        server=server,
        data=settings.data if data is None else replace(settings.data, directory=data),
        catalog=replace(settings.catalog, paths=(*settings.catalog.paths, *catalog)),
    )


def store_settings(
    settings: Settings, *, is_migrating: bool = False, lease: int | None = None
) -> StoreSettings:
    """Return where the store is."""
    return StoreSettings(
        lease=lease,
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
    colleague: Colleague | None = None,
    clock: Clock = time.time_ns,
    on_listening: Callable[[int], None] = lambda _: None,
) -> None:
    """Serve until SIGTERM or SIGINT, and drain.

    Args:
        settings: The settings.
        sample: Catalogues beside those of the settings.
        is_demo: Whether everybody is let in, to an account that is made.
        colleague: Which of several workers this process is; None for the only one.
        clock: The present moment, in nanoseconds since 1970-01-01 UTC.
        on_listening: Called with the port as soon as calls are answered.

    Raises:
        InvalidInput: A setting or a catalogue is bad.
        StoreUnavailable: The store cannot be opened, or failed for good.
        OSError: A file cannot be read.
        RuntimeError: The address cannot be bound.
    """
    log: FilteringBoundLogger = structlog.get_logger().bind()
    lease = None if colleague is None else colleague.lease
    credentials = server_credentials(settings.tls)
    journal_key = open_journal_key(
        settings.journal.key or settings.data.directory / KEY_FILE,
        password=settings.journal.password.encode() or None,
    )
    with (
        stop_signals() as signals,
        ThreadPoolExecutor(EVALUATION_THREADS, thread_name_prefix="evaluate") as executor,
        front_socket(settings, is_shared=colleague is not None, log=log) as front,
    ):
        async with (
            _serving_site(settings, is_shared=colleague is not None) as site,
            open_store(store_settings(settings, is_migrating=is_demo, lease=lease)) as store,
        ):
            filling = partial(_fill, store, settings, sample, clock)
            markets = await filling(is_demo=is_demo, colleague=colleague)
            process = Process(
                settings,
                clock,
                log,
                signals,
                executor,
                store,
                site,
                journal_key,
                is_demo,
                colleague,
                front,
            )

            def announce(port: int) -> None:
                log.info(
                    "listening" if colleague is None else "worker_ready",
                    address=settings.server.listen,
                    port=port,
                    http_port=site.port,
                    metrics_port=site.metrics_port,
                    markets=markets,
                )
                on_listening(port)

            listen = partial(_add_port, listen=settings.server.listen, credentials=credentials)
            await serve_process(process, listen=listen, announce=announce)


async def _fill(
    store: Store,
    settings: Settings,
    sample: tuple[Path, ...],
    clock: Clock,
    *,
    is_demo: bool,
    colleague: Colleague | None,
) -> list[str]:
    """Import the catalogues from files, which the first of several workers does for all.

    Returns:
        The ids of their markets.

    Raises:
        InvalidInput: A catalogue is bad.
        StoreUnavailable: The database does not answer.
        OSError: A file cannot be read.
    """
    markets: list[str] = []
    if colleague is None or colleague.worker.is_first:
        own_files = read_catalog_files(settings.catalog.paths)
        more_files = read_catalog_files(sample)
        await fill(store, settings, own_files, more_files, clock, is_demo=is_demo)
        markets = [each.context.market.id for each in (*own_files, *more_files)]
    if colleague is not None:
        await colleague.prepare(store, settings)
    return markets


def _serving_site(settings: Settings, *, is_shared: bool) -> AbstractAsyncContextManager[Site]:
    """Return the context in which HTTP is served.

    Raises:
        InvalidInput: A name under which it is to answer is none.
        RuntimeError: An address cannot be bound.
    """
    server = settings.server
    return serving_site(
        server.http,
        metrics_address=server.metrics,
        hosts=Hosts(settings.http.hosts.split(), urls=(server.public_url, server.http)),
        is_shared=is_shared,
    )


def _add_port(
    server: grpc.aio.Server, *, listen: str, credentials: grpc.ServerCredentials | None
) -> int:
    if credentials is None:
        return server.add_insecure_port(listen)
    return server.add_secure_port(listen, credentials)
