"""Remove in the background what was exported long ago."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from structlog.typing import FilteringBoundLogger

from server.repeating import repeating
from server.storage import Store
from server.storage.export_purge import all_queues, purge

KEEP_DAYS: Final = 30
"""For how long what was exported, or has failed, can be looked up and sent again."""

PERIOD_SECONDS: Final = 3_600.0
"""How often is looked for what is to be removed."""

_NS_PER_DAY: Final = 24 * 3_600 * 10**9


async def purge_all(store: Store, *, before_ns: int) -> None:
    """Remove what ended before a moment, step by step so that nobody waits for it.

    Args:
        store: Where everything is.
        before_ns: The moment, in nanoseconds since 1970-01-01 UTC.

    Raises:
        StoreUnavailable: The database does not answer.
        Overloaded: Too many transactions are waiting.
    """
    for name in await store.read(all_queues):
        is_more = True
        while is_more:
            is_more = await store.write(partial(purge, name=name, before_ns=before_ns))


@asynccontextmanager
async def purging(
    store: Store,
    *,
    clock: Callable[[], int],
    log: FilteringBoundLogger,
    keep_days: int = KEEP_DAYS,
    period_seconds: float = PERIOD_SECONDS,
) -> AsyncGenerator[None, None]:
    """Remove what is old until the end of the block.

    Args:
        store: Where everything is.
        clock: The present moment, in nanoseconds since 1970-01-01 UTC.
        log: Takes what is a mistake of ours.
        keep_days: For how long what has ended is kept.
        period_seconds: How often is looked, the first time after so long.
    """

    async def work() -> None:
        await purge_all(store, before_ns=clock() - keep_days * _NS_PER_DAY)

    async with repeating(
        work, period_seconds=period_seconds, log=log, failed="export_purge_failed"
    ):
        yield
