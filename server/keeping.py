"""Forget in the background what was kept long enough: import logs, payments, ended sessions."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, NamedTuple

from structlog.typing import FilteringBoundLogger

from server.repeating import repeating
from server.storage import Store, Work, import_logs, integration_actions, sessions

PERIOD_SECONDS: Final = 3_600.0
"""How often is looked for what is to be forgotten."""

_NS_PER_DAY: Final = 24 * 3_600 * 10**9


class Keep(NamedTuple):
    """How long what is kept, in days.

    Attributes:
        import_log_days: Requests of imports, and what became of their items.
        payment_days: What integrations were asked to do, once it is settled.
    """

    import_log_days: int
    payment_days: int


async def forget(store: Store, keep: Keep, *, now_ns: int) -> None:
    """Remove what is older than it is kept, step by step so that nobody waits for it.

    Args:
        store: Where everything is.
        keep: How long what is kept.
        now_ns: The moment, in nanoseconds since 1970-01-01 UTC.

    Raises:
        StoreUnavailable: The database does not answer.
        Overloaded: Too many transactions are waiting.
    """
    steps: tuple[Work[bool], ...] = (
        partial(import_logs.purge, before_ns=now_ns - keep.import_log_days * _NS_PER_DAY),
        partial(integration_actions.purge, before_ns=now_ns - keep.payment_days * _NS_PER_DAY),
        partial(sessions.purge, now_ns=now_ns),
    )
    for step in steps:
        while await store.write(step):
            pass


@asynccontextmanager
async def keeping(
    store: Store,
    keep: Keep,
    *,
    clock: Callable[[], int],
    log: FilteringBoundLogger,
    period_seconds: float = PERIOD_SECONDS,
) -> AsyncGenerator[None, None]:
    """Forget what is old until the end of the block.

    Args:
        store: Where everything is.
        keep: How long what is kept.
        clock: The present moment, in nanoseconds since 1970-01-01 UTC.
        log: Takes what is a mistake of ours.
        period_seconds: How often is looked, the first time after so long.
    """

    async def work() -> None:
        await forget(store, keep, now_ns=clock())

    async with repeating(work, period_seconds=period_seconds, log=log, failed="keeping_failed"):
        yield
