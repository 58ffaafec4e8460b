"""One lane: the entries of one queue that this process has leased, delivered as they fall due."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Final

from aiolimiter import AsyncLimiter

from server.exports.attempts import Attempted, results_of
from server.exports.batches import fire_and_deliver
from server.exports.breaker import Breaker
from server.exports.delivery_id import delivery_id
from server.exports.loaded_queues import LoadedQueue, Unusable
from server.exports.pace import NS_PER_SECOND
from server.exports.retry import is_gone
from server.exports.tools import Tools
from server.storage.export_lanes import ACTIVE, Entry, LaneState, disable, read_lane
from server.storage.export_results import RETRIED
from server.storage.exports import QueueName

AHEAD_COUNT_MIN: Final = 8
AHEAD_COUNT: Final = 64
"""Entries that are read at a time; fewer after attempts that kept the others waiting."""

UNRECORDED_MAX: Final = 8
"""Under `strict`: attempts of which it is not yet durable what became of them. They are made again
after a kill, as many as of a queue with the usual concurrency."""

_NEVER_NS: Final = 2**63 - 1


class Lane(ABC):
    """Dispatches one queue until nothing is due, or until it is told to stop.

    Attributes:
        name: Of the queue.
        rest_until_ns: Before which moment nobody need look at the queue again, once the lane has
            ended: what is first may not be overtaken, and is to be tried then.
    """

    def __init__(self, name: QueueName, tools: Tools) -> None:
        """Begin with nothing under way.

        Args:
            name: Of the queue, which this process has leased.
            tools: What it shares with others.
        """
        self.name = name
        self.rest_until_ns = 0
        self._tools = tools
        self._news = asyncio.Event()
        self._is_woken = False
        self._is_stopping = False
        self._held_until_ns = _NEVER_NS
        self._fresh_until_ns = 0
        self._breaker = Breaker()
        self._ahead_count = AHEAD_COUNT_MIN
        self._limiter: tuple[int, AsyncLimiter] | None = None

    @property
    def has_news(self) -> bool:
        """Whether it was woken and has not looked since."""
        return self._is_woken

    def wake(self) -> None:
        """Look again: entries were placed, or sent again, or the queue was changed."""
        self._is_woken = True
        self._news.set()

    def stop(self) -> None:
        """Make no further attempt; those under way are finished."""
        self._is_stopping = True
        self._news.set()

    def hold(self, until_ns: int) -> None:
        """Go on until a moment, up to which the lease of the queue holds; then stop."""
        self._held_until_ns = until_ns

    async def run(self) -> None:
        """Dispatch; the lease is the caller's to give back."""
        try:
            while not self._is_stopping:
                self._news.clear()
                self._is_woken = False
                if not await self._next_step():
                    break
        except asyncio.CancelledError:
            self._abandon()
            raise
        finally:
            await self._finish()

    async def _next_step(self) -> bool:
        """Do what is due; return whether to look again."""
        self.rest_until_ns = 0
        now_ns = self._tools.clock()
        self._fresh_until_ns = now_ns + int(self._tools.pace.poll_seconds * NS_PER_SECOND)
        state = await self._read()
        if state is None or state.queue["state"] != ACTIVE:
            return False
        if self._under_way_count() == 0:
            lane = state.lane
            self._breaker = Breaker(
                lane["failure_count"], lane["opened_count"], lane["closed_until_ns"]
            )
        if self._is_closed():
            return False
        try:
            queue = self._tools.queues.load(state.queue)
            return await self._dispatch(queue, state)
        except Unusable as error:
            await self._disable(state, str(error))
            return False

    async def _read(self) -> LaneState | None:
        """Return the queue with what is due."""
        work = partial(
            read_lane,
            name=self.name,
            now_ns=self._tools.clock(),
            count=self._read_count(),
            is_in_order=self._is_reading_in_order(),
        )
        return await self._tools.store.read(work)

    @abstractmethod
    async def _dispatch(self, queue: LoadedQueue, state: LaneState) -> bool:
        """Do what is due; return whether to look again."""

    def _is_reading_in_order(self) -> bool:
        """Return whether entries that are to be tried later are read too."""
        return False

    def _read_count(self) -> int:
        """Return how many entries are read at most."""
        return self._ahead_count + self._under_way_count()

    def _under_way_count(self) -> int:
        """Return how many of the entries that are read are under way."""
        return 0

    def _abandon(self) -> None:
        """Break off what is under way."""
        return

    async def _finish(self) -> None:
        """Wait for what is under way."""
        return

    def _is_closed(self) -> bool:
        """Return whether the endpoint is left alone."""
        return self._breaker.closed_until_ns > self._tools.clock()

    def _is_halted(self) -> bool:
        """Return whether no attempt may begin before the queue is read again.

        That is so after a while: somebody may have paused or changed it.
        """
        now_ns = self._tools.clock()
        if now_ns >= self._held_until_ns:
            # Somebody else may have the queue by now.
            self.stop()
        return self._is_stopping or self._is_closed() or now_ns > self._fresh_until_ns

    async def _news_within(self, seconds: float) -> bool:
        """Wait for news; return whether there were any."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def _paced(self, queue: LoadedQueue) -> None:
        """Wait for the turn of the next attempt, where the queue has a rate."""
        rate = queue.configuration.rate_per_second
        if rate == 0:
            return
        if self._limiter is None or self._limiter[0] != rate:
            self._limiter = (rate, AsyncLimiter(rate, 1.0))
        await self._limiter[1].acquire()

    async def _made(self, queue: LoadedQueue, entry: Entry) -> Attempted:
        """Make one attempt at one entry."""
        attempted = await self._tools.attempts.make(
            queue,
            (entry,),
            delivery_id=delivery_id(*self.name, entry.entry_number),
            attempt_number=entry.attempt_count + 1,
        )
        self._heed(attempted)
        return attempted

    def _heed(self, attempted: Attempted) -> None:
        """Take note of what an attempt tells about the endpoint, before it is durable."""
        self._breaker = attempted.advance(self._breaker)
        if is_gone(attempted.outcome):
            self.stop()

    async def _record(self, queue: LoadedQueue, entry: Entry, attempted: Attempted) -> None:
        """Make durable what became of an attempt."""
        await self._tools.recorder.record(results_of(queue, (entry,), attempted))

    async def _disable(self, state: LaneState, reason: str) -> None:
        """End the dispatch of a queue that cannot go on; its entries wait."""
        self._tools.log.error(
            "export_queue_disabled",
            account=self.name.account_id,
            queue=self.name.queue_id,
            reason=reason,
        )
        await self._tools.store.write(partial(disable, known=state.queue, reason=reason))


class RealTimeLane(Lane):
    """Delivers each entry by itself, several at a time, or one after the other under `strict`.

    A queue with a cron trigger delivers its batches.
    """

    def __init__(self, name: QueueName, tools: Tools) -> None:
        """Begin with nothing under way."""
        super().__init__(name, tools)
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._ended: set[int] = set()
        self._has_ended = asyncio.Event()
        self._failure: BaseException | None = None
        self._idle_seconds = 0.0
        self._is_in_order = False
        self._is_cron = False

    async def run(self) -> None:
        """Dispatch; the lease is the caller's to give back.

        Raises:
            Exception: An attempt could not be made, or what became of it could not be recorded.
        """
        await super().run()
        if self._failure is not None:
            raise self._failure

    async def _read(self) -> LaneState | None:
        # What ends from here on may still wait in the snapshot that is read.
        self._ended.clear()
        return await super()._read()

    def _is_reading_in_order(self) -> bool:
        return self._is_in_order

    def _read_count(self) -> int:
        return 0 if self._is_cron else super()._read_count()

    def _under_way_count(self) -> int:
        return len(self._under_way)

    def _abandon(self) -> None:
        for task in self._under_way.values():
            task.cancel()

    async def _finish(self) -> None:
        if self._under_way:
            await asyncio.wait(tuple(self._under_way.values()))

    async def _dispatch(self, queue: LoadedQueue, state: LaneState) -> bool:
        if (queue.is_in_order, queue.is_cron) != (self._is_in_order, self._is_cron):
            # What was read is read anew in the way that the queue wants.
            await self._finish()
            self._is_in_order, self._is_cron = queue.is_in_order, queue.is_cron
            return True
        if queue.is_cron:
            return await self._batch(queue, state)
        fresh = [
            each
            for each in state.entries
            if each.entry_number not in self._under_way and each.entry_number not in self._ended
        ]
        is_first_due = fresh and fresh[0].not_before_ns <= self._tools.clock()
        if fresh and not is_first_due:
            # Only under `strict`: nothing overtakes the first one.
            self.rest_until_ns = fresh[0].not_before_ns
        if not is_first_due:
            return await self._waited()
        self._idle_seconds = 0.0
        is_all = len(state.entries) < self._ahead_count
        if self._is_in_order:
            has_begun_all = await self._one_after_the_other(queue, fresh)
        else:
            has_begun_all = await self._side_by_side(queue, fresh)
        if not has_begun_all:
            self._ahead_count = AHEAD_COUNT_MIN
            return True
        self._ahead_count = min(2 * self._ahead_count, AHEAD_COUNT)
        return await self._waited() if is_all else True

    async def _batch(self, queue: LoadedQueue, state: LaneState) -> bool:
        step = await fire_and_deliver(self._tools, queue, state.lane["due_ns"])
        if step.attempted is not None:
            self._heed(step.attempted)
        self.rest_until_ns = step.rest_until_ns
        return step.is_more

    async def _side_by_side(self, queue: LoadedQueue, fresh: Sequence[Entry]) -> bool:
        """Begin attempts, as many at a time as the queue allows; return whether all have begun."""
        for entry in fresh:
            while len(self._under_way) >= self._places(queue) and not self._is_stopping:
                self._has_ended.clear()
                await self._has_ended.wait()
            await self._paced(queue)
            if self._is_halted():
                return False
            task = asyncio.create_task(self._one(queue, entry))
            self._under_way[entry.entry_number] = task
            task.add_done_callback(partial(self._note_end, entry.entry_number))
        return True

    def _places(self, queue: LoadedQueue) -> int:
        """Return how many attempts may be under way; beside a probe there is none."""
        return 1 if self._breaker.is_probing else queue.configuration.concurrency

    async def _one(self, queue: LoadedQueue, entry: Entry) -> None:
        await self._record(queue, entry, await self._made(queue, entry))

    async def _one_after_the_other(self, queue: LoadedQueue, entries: Sequence[Entry]) -> bool:
        """Make attempts in order, the next one without waiting for the disk.

        Returns:
            Whether all were made, so that what comes next may follow.
        """
        has_made_all = False
        for entry in entries:
            if entry.not_before_ns > self._tools.clock():
                break
            while len(self._under_way) >= UNRECORDED_MAX:
                self._has_ended.clear()
                await self._has_ended.wait()
            await self._paced(queue)
            if self._is_halted():
                break
            attempted = await self._made(queue, entry)
            task = asyncio.create_task(self._record(queue, entry, attempted))
            self._under_way[entry.entry_number] = task
            task.add_done_callback(partial(self._note_end, entry.entry_number))
            if attempted.state == RETRIED:
                break
        else:
            has_made_all = True
        await self._finish()
        return has_made_all

    async def _waited(self) -> bool:
        """Wait for news, or until it is time to look again; return whether the lane stays."""
        pace = self._tools.pace
        seconds = min(pace.poll_seconds, pace.linger_seconds)
        if self.rest_until_ns:
            left_ns = self.rest_until_ns - self._tools.clock()
            seconds = min(seconds, max(left_ns, 0) / NS_PER_SECOND)
        if await self._news_within(seconds) or self._under_way:
            self._idle_seconds = 0.0
            return True
        self._idle_seconds += seconds
        return self._idle_seconds < pace.linger_seconds

    def stop(self) -> None:
        """Make no further attempt; those under way are finished."""
        super().stop()
        self._has_ended.set()

    def _note_end(self, entry_number: int, task: "asyncio.Task[None]") -> None:
        del self._under_way[entry_number]
        self._ended.add(entry_number)
        self._has_ended.set()
        if not task.cancelled() and task.exception() is not None:
            # It could not be made or not be recorded; the entry still waits.
            self._failure = task.exception()
            self.stop()
