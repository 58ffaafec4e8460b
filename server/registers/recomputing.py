"""Check every close in the background: its sales, added up again, are its totals."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final, TypeVar

from prometheus_client import Counter
from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from engine.errors import Overloaded, StoreUnavailable
from engine.journal.chain import Record
from engine.model.journal import EntryKind, Reference
from server.journal_key import JournalKey
from server.registers.recomputation import PeriodName, Recomputed, recompute
from server.storage import Store
from server.storage.closes import not_recomputed, note_recomputed
from server.storage.journals import open_journal

T = TypeVar("T")
Clock = Callable[[], int]

RETRY_SECONDS: Final = 5.0
"""How long a check waits for a database that does not answer."""

EQUAL: Final = "equal"
DIFFERENT: Final = "different"

RECOMPUTATIONS: Final = Counter(
    "tillcore_recomputations",
    "Closes whose sales were added up again, by whether they are what was stored.",
    ["outcome"],
)

_CONTENT_TYPE: Final = "text/plain; charset=utf-8"


class Recomputations:
    """Adds up the sales of closes one after the other, so that no close waits for it.

    A close that was not checked when the process ended is checked by the next one.
    """

    def __init__(
        self, store: Store, key: JournalKey, *, clock: Clock, log: FilteringBoundLogger
    ) -> None:
        """Check nothing yet.

        Args:
            store: Has the closes.
            key: Signs the journal.
            clock: The present moment, in nanoseconds since 1970-01-01 UTC.
            log: Takes an error for each difference.
        """
        self._store = store
        self._key = key
        self._clock = clock
        self._log = log
        self._queue: asyncio.Queue[PeriodName] = asyncio.Queue()
        self._is_started = asyncio.Event()

    def add(self, name: PeriodName) -> None:
        """Check a period that was closed."""
        self._queue.put_nowait(name)

    async def idle(self) -> None:
        """Wait until what earlier processes left, and everything that was added, is checked."""
        await self._is_started.wait()
        await self._queue.join()

    async def run(self) -> None:
        """Check what earlier processes left, and then what is added, until cancelled."""
        for row in await self._tried(partial(self._store.read, not_recomputed)):
            self.add(PeriodName(**row))
        self._is_started.set()
        while True:
            name = await self._queue.get()
            try:
                await self._tried(partial(self._check, name))
            except Exception:
                # A mistake of ours in one close must not leave the next ones unchecked.
                self._log.exception("recomputation_failed", **_labels(name))
            finally:
                self._queue.task_done()

    async def _tried(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what work returns, as soon as the database answers."""
        while True:
            try:
                return await work()
            except (StoreUnavailable, Overloaded):
                await asyncio.sleep(RETRY_SECONDS)

    async def _check(self, name: PeriodName) -> None:
        result = await recompute(self._store, name)
        is_news = await self._store.write(partial(self._note, name, result))
        outcome = EQUAL if result.difference is None else DIFFERENT
        RECOMPUTATIONS.labels(outcome).inc()
        if is_news:
            self._log.error("totals_differ", difference=result.difference, **_labels(name))

    def _note(self, name: PeriodName, result: Recomputed, connection: Connection) -> bool:
        """Note the result at the close, and a difference in the journal; return if it is news."""
        now_ns = self._clock()
        is_news = note_recomputed(
            connection,
            account_id=name.account_id,
            register_id=name.register_id,
            period_number=name.period_number,
            now_ns=now_ns,
            difference=result.difference,
        )
        if is_news:
            record = Record(
                kind=EntryKind.TOTALS_DIFFER,
                instant_ns=now_ns,
                timezone="UTC",
                offset_seconds=0,
                register=name.register_id,
                references=(Reference(name="period_number", identifier=str(name.period_number)),),
                content_type=_CONTENT_TYPE,
                content=(result.difference or "").encode(),
            )
            with open_journal(
                connection, account_id=name.account_id, key=self._key, now_ns=now_ns
            ) as journal:
                journal.add(record)
        return is_news


def _labels(name: PeriodName) -> dict[str, object]:
    """Return what names a period in the log."""
    return {
        "account": name.account_id,
        "register": name.register_id,
        "period": name.period_number,
    }


@asynccontextmanager
async def recomputing(
    store: Store, key: JournalKey, *, clock: Clock, log: FilteringBoundLogger
) -> AsyncGenerator[Recomputations, None]:
    """Yield what checks closes, and end it with the block; the next process goes on with it."""
    checks = Recomputations(store, key, clock=clock, log=log)
    running = asyncio.create_task(checks.run())
    try:
        yield checks
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
