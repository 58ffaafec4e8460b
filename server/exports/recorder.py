"""Write the results of attempts in groups: one commit for all that came while the last one ran."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final, NamedTuple

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from engine.errors import Overloaded, StoreUnavailable
from server.storage import Store, failpoints
from server.storage.export_results import Result, is_recorded, record

GROUP_MAX: Final = 500
"""How many results share a commit at most."""

GATHER_SECONDS: Final = 0.005
"""How long the first result waits for others: a commit costs as much as ten results."""

RETRY_SECONDS: Final = 1.0
"""How long results wait for a database that does not answer."""

FLUSH_SECONDS: Final = 5.0
"""How long the end of the process waits for results that nobody waits for any more."""


class _Waiting(NamedTuple):
    """Results that are not durable yet, and who waits for them."""

    results: Sequence[Result]
    future: "asyncio.Future[None]"


class Recorder:
    """Takes results from everybody who makes attempts, and tells them when they are durable."""

    def __init__(
        self,
        store: Store,
        *,
        log: FilteringBoundLogger,
        retry_seconds: float = RETRY_SECONDS,
        on_recorded: Callable[[], None] = lambda: None,
    ) -> None:
        """Write to a store.

        Args:
            store: Where to.
            log: Takes what could not be written.
            retry_seconds: How long results wait for a database that does not answer.
            on_recorded: Called when rows of logs are committed.
        """
        self._store = store
        self._log = log
        self._retry_seconds = retry_seconds
        self._on_recorded = on_recorded
        self._waiting: deque[_Waiting] = deque()
        self._is_there = asyncio.Event()
        self._is_done = asyncio.Event()
        self._is_done.set()

    async def record(self, results: Sequence[Result]) -> None:
        """Write results, of one attempt each; return when they are durable.

        Raises:
            Exception: What the store raised, if they cannot be written.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(results, future))
        self._is_done.clear()
        self._is_there.set()
        # Results are written though the one who waits for them has been cancelled.
        await asyncio.shield(future)

    async def keep(self, results: Sequence[Result], write: Callable[[Connection], None]) -> None:
        """Write results in a transaction of their own, together with what belongs to them.

        Args:
            results: What `write` records, at least one.
            write: Writes them.

        Raises:
            Exception: What the store raised, if they cannot be written.
        """
        await self._persist(results, write)
        failpoints.reach("after_record")

    async def run(self) -> None:
        """Write what comes, until cancelled."""
        while True:
            await self._is_there.wait()
            await asyncio.sleep(GATHER_SECONDS)
            await self._write(self._next_group())
            if not self._waiting:
                self._is_there.clear()
                self._is_done.set()

    async def flush(self) -> None:
        """Wait until nothing waits to be written."""
        await self._is_done.wait()

    def _next_group(self) -> list[_Waiting]:
        group = [self._waiting.popleft()]
        count = len(group[0].results)
        while self._waiting and count + len(self._waiting[0].results) <= GROUP_MAX:
            group.append(self._waiting.popleft())
            count += len(group[-1].results)
        return group

    async def _write(self, group: Sequence[_Waiting]) -> None:
        results = [each for own in group for each in own.results]
        try:
            await self._persist(results, partial(record, results=results))
        except Exception as error:
            if len(group) > 1:
                # One that cannot be written does not take the others with it.
                for own in group:
                    await self._write([own])
                return
            self._log.exception("exports_not_recorded", delivery_id=results[0].delivery_id)
            group[0].future.set_exception(error)
            # Whoever waited may be gone; the log has it.
            group[0].future.exception()
            return
        failpoints.reach("after_record")
        for own in group:
            own.future.set_result(None)

    async def _persist(
        self, results: Sequence[Result], write: Callable[[Connection], None]
    ) -> None:
        """Run a transaction that writes results, as soon as the database takes it, and once."""
        is_unknown = False

        def work(connection: Connection) -> None:
            if not (is_unknown and is_recorded(connection, results)):
                write(connection)

        while True:
            try:
                await self._store.write(work)
                self._on_recorded()
                return
            except StoreUnavailable as error:
                is_unknown = is_unknown or error.is_unknown
            except Overloaded:
                pass
            await asyncio.sleep(self._retry_seconds)


@asynccontextmanager
async def recording(
    store: Store,
    *,
    log: FilteringBoundLogger,
    retry_seconds: float = RETRY_SECONDS,
    on_recorded: Callable[[], None] = lambda: None,
) -> AsyncGenerator[Recorder, None]:
    """Yield a recorder, see there; whoever uses it has ended before the block does."""
    recorder = Recorder(store, log=log, retry_seconds=retry_seconds, on_recorded=on_recorded)
    running = asyncio.create_task(recorder.run())
    try:
        yield recorder
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                await recorder.flush()
        running.cancel()
        await asyncio.wait((running,))
