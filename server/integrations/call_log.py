"""Log calls without making tills wait: rows are gathered, and written together every second."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from structlog.typing import FilteringBoundLogger

from engine.errors import TillcoreError
from server.storage import Store
from server.storage.integration_calls import Call, insert_calls, purge_calls

KEEP_DAYS: Final = 30
WAITING_MAX: Final = 10_000
"""How many calls wait to be written; while the store does not answer the oldest are lost."""

WRITTEN_SECONDS: Final = 1.0
PURGED_SECONDS: Final = 3_600.0

_NS_PER_DAY: Final = 24 * 3_600 * 10**9


class CallLog:
    """The calls that are not written yet."""

    def __init__(
        self, store: Store, *, clock: Callable[[], int], log: FilteringBoundLogger
    ) -> None:
        """Know no call yet.

        Args:
            store: Keeps the log.
            clock: The present moment, in nanoseconds since 1970-01-01 UTC.
            log: Takes what goes wrong with it.
        """
        self._store = store
        self._clock = clock
        self._log = log
        self._waiting: deque[Call] = deque(maxlen=WAITING_MAX)
        self._writing = asyncio.Lock()

    def note(self, call: Call) -> None:
        """Have a call written soon."""
        self._waiting.append(call)

    async def write(self) -> None:
        """Write what waits.

        Raises:
            TillcoreError: It could not be written; the next time tries again.
        """
        async with self._writing:
            calls = tuple(self._waiting)
            if not calls:
                return
            # Taken out once they are stored; a full deque may have lost some of them meanwhile.
            await self._store.write(partial(insert_calls, calls=calls), settled=lambda _: None)
            written = set(map(id, calls))
            self._waiting = deque(
                (call for call in self._waiting if id(call) not in written), WAITING_MAX
            )

    async def purge(self) -> None:
        """Forget what is older than `KEEP_DAYS`, step by step so that nobody waits for it.

        Raises:
            TillcoreError: The store does not answer.
        """
        before_ns = self._clock() - KEEP_DAYS * _NS_PER_DAY
        while await self._store.write(partial(purge_calls, before_ns=before_ns)):
            pass

    async def run(self) -> None:
        """Write every second and purge every hour, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat(self.write, WRITTEN_SECONDS))
            group.create_task(self._repeat(self.purge, PURGED_SECONDS))

    async def _repeat(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except TillcoreError as error:
                self._log.warning("integration_calls", trouble=error.message)
            except Exception:
                self._log.exception("integration_calls_failed")
