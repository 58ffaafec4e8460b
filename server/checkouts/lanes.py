"""Record the checkouts of concurrent callers together: what waits shares one transaction.

Each account has a lane. While one group of it is being written, those that arrive wait; the next
transaction takes all of them. An answer comes after the commit, as it does without others. The
checkouts of an account wait for each other anyway: they are links of one chain.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from functools import partial
from typing import Final, NamedTuple

from sqlalchemy import Connection

from engine.errors import Overloaded, StoreUnavailable, TillcoreError
from server.checkouts.completion import Recorded
from server.checkouts.recording import Outcome, Wish, record_group
from server.journal_key import JournalKey
from server.storage import Store
from server.storage.places import Place
from server.storage.store import WAITING_MAX
from server.storage.turns import Waiting

GROUP_MAX: Final = 64
"""How many checkouts are written together at most, so that other writers have their turn soon."""

GROUP_LINES_MAX: Final = 2_000
"""A group takes no further checkout once its lines are so many."""


class _Waiter(NamedTuple):
    wish: Wish
    future: asyncio.Future[Recorded | Place]


class Lanes:
    """The checkouts that wait to be recorded, by account."""

    def __init__(self, store: Store, key: JournalKey) -> None:
        """Record into a store; the key signs the journal."""
        self._store = store
        self._key = key
        self._lanes: dict[str, deque[_Waiter]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = Waiting()

    async def record(
        self, account_id: str, wish: Wish, *, queued: Callable[[], None] = lambda: None
    ) -> Recorded | Place:
        """Record a checkout, with whatever else of its account waits.

        Args:
            account_id: Whose it is.
            wish: A checkout like any other, under an id that nobody else here has in hand.
            queued: Called when it has its place, behind which those that come later stand.

        Returns:
            What is stored, now or by an earlier request, or else the register's place when it is
            another than the one of the wish.

        Raises:
            TillcoreError: As `recording.record`; nothing of this checkout is stored.
            StoreUnavailable: The database does not answer.
            Overloaded: Too many wait.
        """
        with self._waiting:
            lane = self._lane(account_id)
            if len(lane) >= WAITING_MAX:
                # Those whose callers have left are in it as well, until the lane moves on.
                raise Overloaded(f"expected at most {WAITING_MAX} checkouts waiting, was more")
            future: asyncio.Future[Recorded | Place] = asyncio.get_running_loop().create_future()
            lane.append(_Waiter(wish, future))
            queued()
            return await future

    def _lane(self, account_id: str) -> deque[_Waiter]:
        """Return the lane of an account, which is at work from the next turn of the loop on."""
        lane = self._lanes.get(account_id)
        if lane is None:
            lane = self._lanes[account_id] = deque()
            # What it does is done for all of them, and for none of them in particular.
            task = asyncio.create_task(self._work(account_id, lane), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return lane

    async def _work(self, account_id: str, lane: deque[_Waiter]) -> None:
        """Record what waits in a lane until nothing does."""
        try:
            while group := _next_group(lane):
                await self._record_together(account_id, group)
        finally:
            del self._lanes[account_id]
            for waiter in lane:
                waiter.future.cancel()

    async def _record_together(self, account_id: str, group: Sequence[_Waiter]) -> None:
        """Record a group; where that fails for a reason of one of them, each on its own."""
        try:
            outcomes = await self._write(account_id, [waiter.wish for waiter in group])
        except (StoreUnavailable, Overloaded) as error:
            for waiter in group:
                _refuse(waiter, _copied(error))
        except Exception as error:
            if len(group) == 1:
                _refuse(group[0], error)
                return
            for waiter in group:
                if not waiter.future.done():
                    await self._record_together(account_id, [waiter])
        else:
            for waiter, outcome in zip(group, outcomes, strict=True):
                _settle(waiter, outcome)

    async def _write(self, account_id: str, wishes: Sequence[Wish]) -> list[Outcome]:
        work = partial(record_group, account_id=account_id, wishes=wishes, key=self._key)
        return await self._store.write(work, settled=_look_again)


def _look_again(connection: Connection) -> list[Outcome] | None:
    """Have the work done again after a lost reply: it looks for everything before it writes."""
    del connection
    return None  # "not found" is what it says


def _next_group(lane: deque[_Waiter]) -> list[_Waiter]:
    """Take the next checkouts of a lane whose callers are still there; none when it is empty."""
    group: list[_Waiter] = []
    line_count = 0
    while lane and len(group) < GROUP_MAX and line_count < GROUP_LINES_MAX:
        waiter = lane.popleft()
        # The caller may have left while it waited: nothing is stored then.
        if not waiter.future.done():
            group.append(waiter)
            line_count += len(waiter.wish.evaluation.evaluated.line_items)
    return group


def _settle(waiter: _Waiter, outcome: Outcome) -> None:
    if isinstance(outcome, TillcoreError):
        _refuse(waiter, outcome)
    elif not waiter.future.done():
        waiter.future.set_result(outcome)


def _refuse(waiter: _Waiter, error: Exception) -> None:
    if not waiter.future.done():
        waiter.future.set_exception(error)


def _copied(error: StoreUnavailable | Overloaded) -> TillcoreError:
    """Return an error of its own for each caller, who adds a traceback to it."""
    if isinstance(error, StoreUnavailable):
        return StoreUnavailable(error.message, is_unknown=error.is_unknown)
    return Overloaded(error.message)
