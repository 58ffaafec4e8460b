"""Do something in the background again and again, such as removing what is old."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from structlog.typing import FilteringBoundLogger

from engine.errors import Overloaded, StoreUnavailable


@asynccontextmanager
async def repeating(
    work: Callable[[], Awaitable[None]],
    *,
    period_seconds: float,
    log: FilteringBoundLogger,
    failed: str,
) -> AsyncGenerator[None, None]:
    """Do some work until the end of the block; a failure does not end it.

    Args:
        work: Done once a period; where the database is away, the next time will do.
        period_seconds: The time between two works, and before the first.
        log: Takes what is a mistake of ours.
        failed: What such an event is called in the log.
    """

    async def run() -> None:
        while True:
            await asyncio.sleep(period_seconds)
            try:
                await work()
            except (StoreUnavailable, Overloaded):
                # The next time will do.
                continue
            except Exception:
                log.exception(failed)

    running = asyncio.create_task(run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait((running,))
