"""One server process: the parts that services share, the services, and the end of it all."""

import asyncio
import random
import shutil
import socket
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import grpc.aio
from structlog.typing import FilteringBoundLogger

from engine.errors import Reason, StoreUnavailable, TillcoreError, invalid
from engine.rpc.calls import Calls
from engine.rpc.server import (
    CORE_SERVICE_NAMES,
    Health,
    StopSignals,
    add_core_services,
    drain_on_signal,
    enable_reflection,
    new_health,
    new_server,
    settle_memory,
)
from engine.rpc.supervisor import connection_age
from server.auth import Authenticator, Gatekeeper, Principal, Scope, required_scopes
from server.catalogues import AccountCatalogues
from server.colleague import Colleague
from server.config import Settings
from server.exports.exporting import exporting
from server.exports.log_bell import LogBell
from server.exports.operator import (
    dispatching_of,
    folder_of,
    links_of,
    mail_server_of,
    rules_of,
    secret_box_of,
)
from server.exports.sandbox import sandbox
from server.front.opening import opening_front
from server.http.back_office.links import print_first_links
from server.http.doors import DoorSettings, new_doors
from server.http.gate import HttpGate
from server.http.site import Site
from server.http.tools import HttpTools
from server.http.web_services.settings import WebServiceSettings
from server.integrations.running import integrating
from server.journal_key import JournalKey
from server.keeping import Keep, keeping
from server.observability.counts import Counts
from server.observability.metrics import Metrics
from server.observability.readiness import Readiness
from server.observability.worker_metrics import WorkerMetrics
from server.plans import Plans
from server.registers.recomputing import RECOMPUTATIONS, recomputing
from server.relay import relaying
from server.reports.templates import NAMES
from server.services import SERVICE_NAMES, Parts, Services, add_services, new_services
from server.storage import Store
from server.tables.rendering import Rendering

if TYPE_CHECKING:
    from server.front.door import FrontParts, OpenFront

Clock = Callable[[], int]

DEMO_SCOPES: Final = frozenset({Scope.IMPORT, Scope.REGISTER, Scope.READ, Scope.EXPORT_ADMIN})
"""What everybody may do under `--demo`, without a key."""


class Process(NamedTuple):
    """What a process is given.

    Attributes:
        settings: The settings.
        clock: The present moment, in nanoseconds since 1970-01-01 UTC.
        log: Takes what somebody has to know.
        signals: Say when to stop.
        executor: Evaluates, so that others do not wait.
        store: Keeps everything.
        site: Its doors are opened once calls are answered.
        journal_key: Signs the journals.
        is_demo: Whether everybody is let in.
        colleague: Which of several workers it is; None for the only one.
        front: The listening socket of the fast front; None for no front.
    """

    settings: Settings
    clock: Clock
    log: FilteringBoundLogger
    signals: StopSignals
    executor: Executor
    store: Store
    site: Site
    journal_key: JournalKey
    is_demo: bool
    colleague: Colleague | None = None
    front: socket.socket | None = None

    @property
    def anybody(self) -> Principal | None:
        """Who calls without a key come from, None where there are none."""
        if not self.is_demo:
            return None
        return Principal(account_id=self.settings.catalog.account, scopes=DEMO_SCOPES)


async def serve_process(
    process: Process,
    *,
    listen: Callable[[grpc.aio.Server], int],
    announce: Callable[[int], None],
) -> None:
    """Build the services over an open store, answer calls, and drain.

    Args:
        process: What it is given.
        listen: Adds the port and returns it.
        announce: Called with the port as soon as calls are answered.

    Raises:
        InvalidInput: A setting is bad.
        StoreUnavailable: The store failed for good; the next start recovers.
    """
    server = _new_server(process)
    health = new_health(server)
    counts = Counts()
    async with _parts(process, counts) as parts:
        gate = Gatekeeper(parts.authenticator, required_scopes(), anybody=process.anybody)
        calls = Calls(process.log, gate=gate, meter=counts.calls)
        await add_core_services(
            server,
            AccountCatalogues(parts.plans, executor=process.executor),
            process.clock,
            health,
            calls=calls,
            executor=process.executor,
            log=process.log,
            sessions=counts.sessions,
        )
        services = new_services(parts)
        await add_services(server, health, calls, services)
        enable_reflection(server, (*CORE_SERVICE_NAMES, *SERVICE_NAMES))
        port = listen(server)
        await server.start()
        tools = _tools(process, parts, services)
        async with (
            _fronting(process, parts, calls, health, counts) as front,
            _measuring(process, parts.plans, counts, front) as metrics,
        ):
            process.site.pages.started(_readiness(process), metrics)
            process.site.open(new_doors(tools, calls, _door_settings(process.settings, parts)))
            settle_memory()
            announce(port)
            await _print_links(process)
            await _drain(server, process, health, calls)


def _new_server(process: Process) -> grpc.aio.Server:
    """Return a server without services and without a port.

    Raises:
        InvalidInput: A setting is bad.
    """
    is_shared = process.colleague is not None
    return new_server(is_shared=is_shared, connection_age_seconds=_connection_age(process))


def _connection_age(process: Process) -> float:
    """Return after how many seconds clients are asked to connect anew, 0 for never.

    Raises:
        InvalidInput: The setting is bad.
    """
    settings = process.settings.server
    return connection_age(
        settings.connection_age_seconds,
        worker_count=settings.workers,
        field="server.connection_age_seconds",
    )


@asynccontextmanager
async def _fronting(
    process: Process, parts: Parts, calls: Calls, health: Health, counts: Counts
) -> AsyncGenerator["OpenFront | None", None]:
    """Yield the fast front, which answers until the end of the block; None for none."""
    settings, signals = process.settings, process.signals

    def front_parts() -> "FrontParts":
        from server.front.door import FrontParts

        return FrontParts(
            calls=calls,
            health=health,
            keys=parts.authenticator,
            plans=parts.plans,
            meter=counts.calls,
            log=process.log,
            anybody=process.anybody,
        )

    async with opening_front(
        process.front,
        front_parts,
        settings.front,
        signals=signals,
        age_seconds=_connection_age(process),
        drain_seconds=settings.server.drain_seconds,
        log=process.log,
    ) as front:
        yield front


@asynccontextmanager
async def _parts(process: Process, counts: Counts) -> AsyncGenerator[Parts, None]:
    """Yield what services are built over; what runs beside them runs until the end of the block."""
    settings, clock, log, store = process.settings, process.clock, process.log, process.store
    bell, box, rules = LogBell(), secret_box_of(settings), rules_of(settings)
    links, colleague = links_of(settings), process.colleague
    owner = uuid.uuid4().hex if colleague is None else colleague.worker.id
    async with AsyncExitStack() as stack:
        plans = await stack.enter_async_context(open_plans(store))
        recomputations = await stack.enter_async_context(
            recomputing(store, process.journal_key, clock=clock, log=log)
        )
        transforms = await stack.enter_async_context(
            sandbox(
                worker_count=settings.exports.transform_processes,
                own_templates=_own_templates(settings),
            )
        )
        await stack.enter_async_context(
            exporting(
                store,
                box,
                transforms,
                rules=rules,
                mail_server=mail_server_of(settings.mail),
                folder_root=folder_of(settings),
                owner=owner,
                is_alone=settings.is_alone,
                clock=clock,
                monotonic_ns=time.monotonic_ns,
                random=random.random,
                log=log,
                counts=counts.exports,
                keep_days=settings.exports.keep_days,
                on_recorded=bell.ring,
                links=links,
                dispatching=dispatching_of(settings, owner=owner),
            )
        )
        await stack.enter_async_context(keeping(store, _keep(settings), clock=clock, log=log))
        if colleague is not None:
            await stack.enter_async_context(
                relaying(store.announcements, colleague.worker, colleague.folder)
            )
        authenticator = await stack.enter_async_context(_authenticating(store, clock))
        desk = await stack.enter_async_context(integrating(store, box, rules, clock=clock, log=log))
        yield Parts(
            store=store,
            authenticator=authenticator,
            plans=plans,
            journal_key=process.journal_key,
            recomputations=recomputations,
            clock=clock,
            executor=process.executor,
            history_days=settings.catalog.history_days,
            sandbox=transforms,
            secret_box=box,
            rules=rules,
            desk=desk,
            checkout_counts=counts.checkouts,
            log_bell=bell,
            links=links,
        )


def _own_templates(settings: Settings) -> str:
    """Return the operator's directory of templates of reports, empty for none.

    Raises:
        InvalidInput: It has none of them.
    """
    folder = settings.reports.templates
    if folder is None:
        return ""
    if not any((folder / name).is_file() for name in NAMES):
        expected = f"expected a directory with {' or '.join(NAMES)}, was {folder}"
        raise invalid("reports.templates", Reason.UNKNOWN_VALUE, expected)
    return str(folder.resolve())


def _keep(settings: Settings) -> Keep:
    """Return how long what is kept that no export and no catalogue is."""
    return Keep(
        import_log_days=settings.imports.keep_days, payment_days=settings.integrations.keep_days
    )


def _tools(process: Process, parts: Parts, services: Services) -> HttpTools:
    """Return what the HTTP doors share with the rest."""
    return HttpTools(
        store=parts.store,
        gate=HttpGate(parts.authenticator, anybody=process.anybody),
        services=services,
        plans=parts.plans,
        clock=parts.clock,
        log=process.log,
    )


async def _print_links(process: Process) -> None:
    """Print a link to the back office for every account that nobody is signed in to."""
    is_first = process.colleague is None or process.colleague.worker.is_first
    if process.site.port is None or process.is_demo or not is_first:
        return
    host = process.settings.server.http.rpartition(":")[0] or "127.0.0.1"
    url = process.settings.server.public_url.rstrip("/") or f"http://{host}:{process.site.port}"
    await print_first_links(process.store, base_url=url, now_ns=process.clock())


def _door_settings(settings: Settings, parts: Parts) -> DoorSettings:
    assert parts.links is not None
    return DoorSettings(
        web_services=WebServiceSettings(
            links=parts.links,
            sandbox=parts.sandbox,
            rendering=Rendering(),
            has_query_writes=settings.compat.query_writes,
            link_base_url=settings.server.public_url,
        ),
        origins=settings.http.origins.split(),
        is_secure=settings.server.public_url.startswith("https://"),
        own_templates=_own_templates(settings),
        pictures=settings.http.pictures.split(),
    )


def _readiness(process: Process) -> Readiness:
    return Readiness(
        process.store,
        is_draining=process.signals.first.is_set,
        free_bytes=_free_bytes(process.settings),
        free_bytes_min=process.settings.data.free_bytes_min,
    )


@asynccontextmanager
async def _measuring(
    process: Process, plans: Plans, counts: Counts, front: "OpenFront | None"
) -> AsyncGenerator[Metrics | WorkerMetrics, None]:
    """Yield the metrics; those of a worker are told to the others until the end of the block."""
    metrics = Metrics(
        counts,
        store=process.store,
        plans=plans,
        free_bytes=_free_bytes(process.settings),
        clock=process.clock,
        others=(RECOMPUTATIONS,) if front is None else (RECOMPUTATIONS, front.counting),
    )
    if process.colleague is None:
        yield metrics
        return
    of_all = WorkerMetrics(metrics, process.colleague.worker, process.colleague.folder)
    async with of_all.serving():
        yield of_all


def _free_bytes(settings: Settings) -> Callable[[], int] | None:
    """Return what tells the room on the disk of the embedded database, None for PostgreSQL."""
    if settings.database.url:
        return None
    return lambda: shutil.disk_usage(settings.data.directory).free


@asynccontextmanager
async def _authenticating(store: Store, clock: Clock) -> AsyncGenerator[Authenticator, None]:
    """Yield what knows keys; write their last uses until the end."""
    authenticator = Authenticator(store, clock=clock, monotonic_ns=time.monotonic_ns)
    writing = asyncio.create_task(authenticator.run())
    try:
        yield authenticator
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


async def _drain(server: grpc.aio.Server, process: Process, health: Health, calls: Calls) -> None:
    """Wait for a signal or for the end of the store, and drain.

    Raises:
        StoreUnavailable: The store failed for good; the next start recovers.
    """
    signals, log, settings = process.signals, process.log, process.settings
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
    failing = asyncio.create_task(process.store.failed())
    await asyncio.wait({draining, failing}, return_when=asyncio.FIRST_COMPLETED)
    if failing.done():
        log.error("store_failed", reason=failing.result())
        signals.first.set()
        await draining
        raise StoreUnavailable(failing.result())
    failing.cancel()
    await draining
