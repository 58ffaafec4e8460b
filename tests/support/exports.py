"""Run exports over a store with a clock that stands still, and look at what became of them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast

from sqlalchemy import Connection, Table, func, select, update
from structlog.typing import FilteringBoundLogger

from engine.errors import StoreUnavailable
from server.exports.attempts import Transformer
from server.exports.exporting import exporting
from server.exports.pace import Pace
from server.exports.queue import Configuration, Cron, WebHook
from server.exports.retry import SCHEDULE, Schedule
from server.exports.sandbox import sandbox
from server.exports.secrets import SecretBox, new_key
from server.exports.tools import Tools
from server.exports.transforms.job import Job, Made, wrapped
from server.observability.export_counts import ExportCounts
from server.storage import Store
from server.storage.account_tables import account
from server.storage.export_tables import export_entry, export_lane, export_log, export_queue
from server.storage.exports import WAITING, ExportEvent, ExportKind, place_all
from server.storage.store import Settled, Work
from tests.support.export_queues import insert_queue
from tests.support.web_hook_sink import LOOPBACK_RULES, WebHookSink

T = TypeVar("T")

ACCOUNT: Final = "ours"
SECOND: Final = 10**9
NOW_NS: Final = 1_795_341_600 * SECOND
WAIT_SECONDS: Final = 60.0

QUICK: Final = Pace(
    poll_seconds=0.02,
    round_seconds=0.001,
    linger_seconds=0.1,
    renewal_seconds=0.05,
    grace_seconds=10.0,
)
"""Looks often: what a test waits for is seldom a time."""

UNPOLLED: Final = QUICK._replace(poll_seconds=3_600.0, linger_seconds=3_600.0)
"""Looks when something is announced, and never else after its start."""

KEY: Final = new_key()


class StillClock:
    """A clock that moves when a test says so."""

    def __init__(self) -> None:
        self.now_ns = NOW_NS

    def __call__(self) -> int:
        """Return the moment."""
        return self.now_ns

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ns += round(seconds * SECOND)


class Log:
    """Keeps what is logged; a mistake of ours that nobody expected fails the test."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.defects: list[tuple[str, BaseException]] = []

    def error(self, event: str, **_: object) -> None:
        """Keep an error that somebody has to mend."""
        self.errors.append(event)

    def exception(self, event: str, **_: object) -> None:
        """Keep a mistake."""
        error = sys.exception()
        assert error is not None
        self.defects.append((event, error))

    def expected(self, event: str) -> None:
        """Forget the mistakes of this event, of which there is at least one.

        Raises:
            AssertionError: There is none.
        """
        before = len(self.defects)
        self.defects = [each for each in self.defects if each[0] != event]
        assert len(self.defects) < before, event


class Dispatch(NamedTuple):
    """How the exports of one process of a test run.

    Attributes:
        clock: The moment.
        owner: What the process is called in leases.
        is_alone: Whether it voids all leases at its start.
        pace: How often it looks.
        schedule: How long it waits between attempts.
        folder_root: Below which it writes files.
        dispatching: Dispatches, in place of lanes in the process.
        transformer: In place of the sandbox.
        log: Takes what is logged.
    """

    clock: Callable[[], int]
    owner: str = "process-1"
    is_alone: bool = False
    pace: Pace = QUICK
    schedule: Schedule = SCHEDULE
    folder_root: Path | None = None
    dispatching: Callable[[Tools], AbstractAsyncContextManager[None]] | None = None
    transformer: Transformer | None = None
    log: Log | None = None


@asynccontextmanager
async def running(store: Store, dispatch: Dispatch) -> AsyncIterator[Tools]:
    """Dispatch until the end of the block; every wait is exact, without jitter."""
    log = Log() if dispatch.log is None else dispatch.log
    ticks = iter(range(0, 10**18, 1_000_000))
    async with (
        sandbox() as own_sandbox,
        exporting(
            store,
            SecretBox((KEY,)),
            own_sandbox if dispatch.transformer is None else dispatch.transformer,
            rules=LOOPBACK_RULES,
            mail_server=None,
            folder_root=dispatch.folder_root,
            owner=dispatch.owner,
            is_alone=dispatch.is_alone,
            clock=dispatch.clock,
            monotonic_ns=lambda: next(ticks),
            random=lambda: 0.5,
            log=cast(FilteringBoundLogger, log),
            counts=ExportCounts(),
            dispatching=dispatch.dispatching,
            pace=dispatch.pace,
            schedule=dispatch.schedule,
        ) as tools,
    ):
        yield tools
    if log.defects:
        raise log.defects[0][1]


# --- queues and entries ----------------------------------------------------------------------


def to_hook(sink: WebHookSink, path: str = "/hook", **settings: Any) -> Configuration:
    """Return a configuration that delivers to a path of a sink."""
    return Configuration(delivery=WebHook(url=sink.url(path)), **settings)


def by_cron(sink: WebHookSink, path: str = "/hook", **settings: Any) -> Configuration:
    """Return a configuration that delivers to a path of a sink every hour."""
    return to_hook(sink, path, trigger=Cron(expression="0 * * * *"), **settings)


async def add_queues(store: Store, queues: dict[str, Configuration], **values: Any) -> None:
    """Store an account, where there is none yet, with queues of sales."""

    def work(connection: Connection) -> None:
        if connection.execute(select(account.c.account_id)).first() is None:
            row = {"account_id": ACCOUNT, "name": "", "revision": 1}
            connection.execute(account.insert().values(created_ns=1, updated_ns=1, **row))
        for queue_id, configuration in queues.items():
            insert_queue(
                connection,
                account_id=ACCOUNT,
                queue_id=queue_id,
                kind=ExportKind.SALE,
                configuration=configuration,
                **values,
            )

    await store.write(work)


def placed(connection: Connection, keys: Sequence[str], *, now_ns: int = NOW_NS) -> None:
    """Place a sale for each key in every queue of sales."""
    events = [ExportEvent(ExportKind.SALE, key, b'{"id":"%s"}' % key.encode()) for key in keys]
    place_all(connection, account_id=ACCOUNT, events=events, now_ns=now_ns)


async def place(store: Store, *keys: str) -> None:
    """Place a sale for each key in every queue of sales, in one transaction."""
    await store.write(partial(placed, keys=keys))


def keys(count: int, first: int = 1) -> tuple[str, ...]:
    """Return the keys of so many sales, in their order."""
    return tuple(f"sale-{number:04}" for number in range(first, first + count))


async def change(store: Store, table: Table, queue_id: str, **values: Any) -> None:
    """Change columns of the row of a queue or of its lane."""
    statement = update(table).where(table.c.queue_id == queue_id).values(**values)
    await store.write(lambda connection: connection.execute(statement))


# --- what became of them ---------------------------------------------------------------------


async def rows(store: Store, table: Table) -> list[dict[str, Any]]:
    """Return all rows of a table in the order of its key."""
    statement = select(table).order_by(*table.primary_key.columns)
    return await store.read(
        lambda connection: [dict(row) for row in connection.execute(statement).mappings()]
    )


async def states(store: Store, queue_id: str = "q") -> dict[str, str]:
    """Return the states of the entries of a queue by their element keys."""
    found = await rows(store, export_entry)
    return {row["element_key"]: row["state"] for row in found if row["queue_id"] == queue_id}


async def outcomes(store: Store, queue_id: str = "q") -> list[tuple[str, str, int | None]]:
    """Return element key, outcome and status of the log of a queue, in its order."""
    found = await rows(store, export_log)
    names = ("element_key", "outcome", "status")
    return [tuple(row[name] for name in names) for row in found if row["queue_id"] == queue_id]


async def queue_row(store: Store, queue_id: str = "q") -> dict[str, Any]:
    """Return the row of a queue."""
    (found,) = [row for row in await rows(store, export_queue) if row["queue_id"] == queue_id]
    return found


async def lane_row(store: Store, queue_id: str = "q") -> dict[str, Any]:
    """Return the row of the lane of a queue."""
    (found,) = [row for row in await rows(store, export_lane) if row["queue_id"] == queue_id]
    return found


async def until(
    condition: Callable[[], Awaitable[object]], *, seconds: float = WAIT_SECONDS
) -> None:
    """Wait until something is so, at most so long.

    Raises:
        TimeoutError: It does not become so.
    """
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - a database rings no bell
            await asyncio.sleep(0.01)


async def until_ended(store: Store, *queue_ids: str, seconds: float = WAIT_SECONDS) -> None:
    """Wait until nothing waits in some queues, "q" by default."""
    wanted = queue_ids or ("q",)

    column = export_entry.c
    waiting = (
        select(column.entry_number)
        .where(column.account_id == ACCOUNT, column.queue_id.in_(wanted), column.state == WAITING)
        .limit(1)
    )

    async def is_so() -> bool:
        return await store.read(lambda connection: connection.execute(waiting).first() is None)

    await until(is_so, seconds=seconds)


async def until_logged(store: Store, count: int, queue_id: str = "q") -> None:
    """Wait until the log of a queue has so many rows."""
    column = export_log.c
    logged = select(func.count()).where(column.account_id == ACCOUNT, column.queue_id == queue_id)

    async def is_so() -> bool:
        return await store.read(lambda connection: connection.execute(logged).scalar_one() >= count)

    await until(is_so)


async def until_released(store: Store, queue_id: str = "q") -> None:
    """Wait until no process dispatches a queue."""

    async def is_so() -> bool:
        return not (await lane_row(store, queue_id))["owner"]

    await until(is_so)


# --- what goes wrong -------------------------------------------------------------------------


class GatedTransforms:
    """Wraps elements, each only when a test lets it: an attempt is under way for as long."""

    def __init__(self) -> None:
        self.begun_count = 0
        self._places = asyncio.Semaphore(0)

    async def transform(self, job: Job) -> Made:
        """Return the dictionary of the elements, when it may go on."""
        self.begun_count += 1
        await self._places.acquire()
        return Made(body=wrapped(job.elements), content_type="application/json", extension=".json")

    def let(self, count: int) -> None:
        """Let so many go on."""
        for _ in range(count):
            self._places.release()

    async def begun(self, count: int) -> None:
        """Wait until so many have begun."""

        async def is_so() -> bool:
            return self.begun_count >= count

        await until(is_so)


class AwayStore(Store):
    """A store that fails while it is away: before anything is written, or when it is committed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.stats = store.stats
        self.announcements = store.announcements
        self.is_away = False
        self.is_unknown = False
        self.write_count = 0
        self.held_count = 0
        self._let = asyncio.Event()
        self._let.set()

    async def read(self, work: Work[T]) -> T:
        """Read, or fail."""
        if self.is_away and not self.is_unknown:
            raise StoreUnavailable("the database does not answer")
        found = await self._store.read(work)
        if not self._let.is_set():
            self.held_count += 1
            await self._let.wait()
        return found

    async def write(self, work: Work[T], *, settled: Settled[T] | None = None) -> T:
        """Write, or fail."""
        self.write_count += 1
        if not self.is_away:
            return await self._store.write(work, settled=settled)
        if self.is_unknown:
            await self._store.write(work)
        raise StoreUnavailable("the database does not answer", is_unknown=self.is_unknown)

    def hold(self) -> None:
        """Keep what is read from those who have asked for it."""
        self._let.clear()

    def let(self) -> None:
        """Let them have it."""
        self._let.set()

    async def written(self, count: int) -> None:
        """Wait until so many more writes have been asked for."""
        wanted = self.write_count + count

        async def is_so() -> bool:
            return self.write_count >= wanted

        await until(is_so)

    async def failed(self) -> str:
        """Wait until it cannot go on."""
        return await self._store.failed()

    async def close(self) -> None:
        """Leave it open: it is another's."""
