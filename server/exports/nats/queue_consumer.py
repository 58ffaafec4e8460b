"""Take the messages about one queue, and attempt the entries that they name."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from aiolimiter import AsyncLimiter

from engine.errors import Overloaded, StoreUnavailable
from server.exports.attempts import results_of
from server.exports.breaker import Breaker
from server.exports.delivery_id import delivery_id
from server.exports.loaded_queues import LoadedQueue, Unusable
from server.exports.nats.broker import TROUBLE, Broker
from server.exports.nats.entry_reader import EntryReader
from server.exports.nats.messages import Hand, Held, Pulling
from server.exports.nats.names import token_of
from server.exports.nats.settings import Timings
from server.exports.pace import NS_PER_SECOND
from server.exports.retry import is_gone
from server.exports.tools import Tools
from server.storage.export_lanes import ACTIVE, Entry, read_lane
from server.storage.export_results import RETRIED
from server.storage.exports import QueueName

_SOON_SECONDS: Final = 0.5
_PAUSE_SECONDS_MIN: Final = 0.1
_PAUSE_SECONDS_MAX: Final = 5.0

_IN_ORDER_COUNT: Final = 8
"""Entries that are read at a time under `strict`; mostly only one is due."""


class QueueConsumer:
    """Makes the attempts of one queue that the broker gives to this process.

    Whoever runs it stops it when the queue is paused, changed or deleted, and makes a new one.

    Attributes:
        is_unfit: Whether it has ended because there is nothing to consume before the queue changes.
    """

    def __init__(
        self,
        name: QueueName,
        tools: Tools,
        *,
        broker: Broker,
        reader: EntryReader,
        timings: Timings,
    ) -> None:
        """Begin with nothing in hand.

        Args:
            name: Of the queue.
            tools: What it shares with others.
            broker: Who has the messages.
            reader: Looks up entries.
            timings: How long is waited for what.
        """
        self.is_unfit = False
        self._name = name
        self._tools = tools
        self._broker = broker
        self._reader = reader
        self._timings = timings
        self._hand = Hand(broker)
        self._breaker = Breaker()
        self._limiter: AsyncLimiter | None = None
        self._news = asyncio.Event()
        self._is_stopping = False
        self._attempts: dict[asyncio.Task[None], int] = {}

    def stop(self) -> None:
        """Take no further message; the attempts under way are finished."""
        self._is_stopping = True
        self._news.set()

    async def hold_on(self) -> None:
        """Tell the broker that what is in hand is being worked on."""
        await self._hand.hold_on()

    async def run(self) -> None:
        """Take messages until told to stop, or until the endpoint is to be left alone."""
        try:
            with self._broker.listening(self._news.set):
                await self._run()
        except BaseException:
            for task in self._attempts:
                task.cancel()
            raise
        finally:
            if self._attempts:
                await asyncio.wait(tuple(self._attempts))

    async def _run(self) -> None:
        pause_seconds = _PAUSE_SECONDS_MIN
        while not self._is_stopping:
            self._news.clear()
            if not self._broker.is_up:
                await self._news.wait()
                continue
            begin_seconds = asyncio.get_running_loop().time()
            try:
                queue = await self._load()
                if queue is not None:
                    await self._consume(queue)
            except (*TROUBLE, StoreUnavailable, Overloaded):
                # The broker logs its own trouble, and the store's is everybody's.
                pass
            if asyncio.get_running_loop().time() > begin_seconds + _PAUSE_SECONDS_MAX:
                pause_seconds = _PAUSE_SECONDS_MIN
            await self._stopped_within(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _PAUSE_SECONDS_MAX)

    async def _load(self) -> LoadedQueue | None:
        """Return the queue; without one that can be consumed now, stop.

        Raises:
            StoreUnavailable: The store does not answer.
            Overloaded: The store is busy.
        """
        work = partial(
            read_lane, name=self._name, now_ns=self._tools.clock(), count=0, is_in_order=False
        )
        state = await self._tools.store.read(work)
        if state is None or state.queue["state"] != ACTIVE:
            self.stop()
            return None
        lane = state.lane
        if not self._attempts:
            self._breaker = Breaker(
                lane["failure_count"], lane["opened_count"], lane["closed_until_ns"]
            )
        try:
            queue = self._tools.queues.load(state.queue)
        except Unusable:
            # Whoever has leased the queue says so, and has it disabled.
            queue = None
        self.is_unfit = queue is None or queue.is_cron
        if queue is None or queue.is_cron or self._is_closed():
            self.stop()
            return None
        rate = queue.configuration.rate_per_second
        self._limiter = AsyncLimiter(rate, 1.0) if rate else None
        return queue

    async def _consume(self, queue: LoadedQueue) -> None:
        """Take messages over one connection, for as long as it is there.

        Raises:
            Exception: One of `TROUBLE`, or the store does not answer.
        """
        epoch = self._broker.epoch
        concurrency = 1 if queue.is_in_order else queue.configuration.concurrency
        await self._broker.ensure_consumer(
            token_of(self._name), description="/".join(self._name), in_hand_max=concurrency
        )
        pulling = Pulling(
            self._name,
            broker=self._broker,
            hand=self._hand,
            timings=self._timings,
            on_news=self._news.set,
            log=self._tools.log,
        )
        await pulling.open()
        try:
            while self._broker.is_up and self._broker.epoch == epoch and not pulling.is_lost:
                if self._is_stopping:
                    return
                await self._ask(pulling, concurrency)
                await self._news_within(pulling.seconds_left)
                messages = pulling.taken()
                if messages:
                    await self._begin(queue, messages)
        finally:
            await pulling.close()

    async def _ask(self, pulling: Pulling, concurrency: int) -> None:
        """Ask for as many messages as there is room for, unless that is done already."""
        left_seconds = pulling.seconds_left
        if left_seconds is not None and left_seconds > 0:
            return
        if self._breaker.is_probing:
            concurrency = 1
        free_count = concurrency - len(self._hand)
        # To read more entries at a time is worth a little waiting.
        if free_count > 0 and (free_count >= concurrency // 4 or not self._attempts):
            await pulling.ask(free_count)

    async def _begin(self, queue: LoadedQueue, messages: Sequence[Held]) -> None:
        """Begin the attempts that messages ask for."""
        if queue.is_in_order:
            for held in messages:
                self._start(held, partial(self._in_order, queue, held))
            return
        try:
            entries = await self._reader.find(self._name, [each.entry_number for each in messages])
        except BaseException:
            for held in messages:
                await self._hand.give_back(held, seconds=self._tools.pace.rest_seconds)
            raise
        for held in messages:
            await self._begin_one(queue, held, entries.get(held.entry_number))

    async def _begin_one(self, queue: LoadedQueue, held: Held, entry: Entry | None) -> None:
        """Begin an attempt at an entry, unless it is not to be made, or not now."""
        if entry is None:
            return await self._hand.settle(held)
        early_seconds = self._early_seconds(entry)
        if early_seconds > self._tools.pace.rest_seconds:
            # Whoever has leased the queue tells the broker again when it is due.
            return await self._hand.settle(held)
        if early_seconds > 0:
            # Another machine's clock is ahead, or the process ended before it could answer.
            return await self._hand.give_back(held, seconds=early_seconds)
        is_probing = self._breaker.is_probing and self._attempts
        if is_probing or held.entry_number in self._attempts.values():
            # What follows depends on how the probe ends. Twins: the broker has lost the first one.
            return await self._hand.give_back(held, seconds=_SOON_SECONDS)
        await self._paced()
        if self._is_halted():
            return await self._hand.give_back(held, seconds=_SOON_SECONDS)
        return self._start(held, partial(self._side_by_side, queue, held, entry))

    def _start(self, held: Held, attempt: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.create_task(self._answered(held, attempt))
        self._attempts[task] = held.entry_number
        task.add_done_callback(self._note_end)

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        del self._attempts[task]
        self._news.set()

    async def _answered(self, held: Held, attempt: Callable[[], Awaitable[None]]) -> None:
        """Do what a message asks for; the broker gets an answer in any case."""
        try:
            await attempt()
        except asyncio.CancelledError:
            await self._hand.give_back(held)
            raise
        except (StoreUnavailable, Overloaded):
            await self._hand.give_back(held, seconds=self._tools.pace.rest_seconds)
        except Exception:
            # The attempt could not be made, or not be recorded; the entry still waits.
            self._tools.log.exception(
                "export_attempt_failed",
                account=self._name.account_id,
                queue=self._name.queue_id,
                entry=held.entry_number,
            )
            await self._hand.give_back(held, seconds=self._tools.pace.defect_seconds)

    async def _side_by_side(self, queue: LoadedQueue, held: Held, entry: Entry) -> None:
        await self._attempt(queue, entry)
        # After a failure that may pass the broker is told of the entry again when it is due.
        await self._hand.settle(held)

    async def _in_order(self, queue: LoadedQueue, held: Held) -> None:
        """Attempt what waits up to the entry that a message names, each after the one before.

        Messages may come in any order: the broker may have lost some, and an early entry may have
        been sent again. While the first entry waits for its next attempt, the message stays
        unanswered, and the broker hands out no other one of this queue.
        """
        while not self._is_halted():
            entries = await self._reader.first(
                self._name, up_to=held.entry_number, count=_IN_ORDER_COUNT
            )
            for entry in entries:
                early_seconds = self._early_seconds(entry)
                if early_seconds > 0:
                    # Looked at now and then: somebody may have it taken out of the way.
                    seconds = min(early_seconds, self._tools.pace.rest_seconds)
                    return await self._hand.give_back(held, seconds=seconds)
                await self._paced()
                if self._is_halted() or await self._attempt(queue, entry) == RETRIED:
                    break
            else:
                if len(entries) < _IN_ORDER_COUNT:
                    return await self._hand.settle(held)
        return await self._hand.give_back(held, seconds=_SOON_SECONDS)

    async def _attempt(self, queue: LoadedQueue, entry: Entry) -> str:
        """Make an attempt and have it recorded; return what has become of the entry."""
        attempted = await self._tools.attempts.make(
            queue,
            (entry,),
            delivery_id=delivery_id(*self._name, entry.entry_number),
            attempt_number=entry.attempt_count + 1,
        )
        self._breaker = attempted.advance(self._breaker)
        if is_gone(attempted.outcome) or self._is_closed():
            self.stop()
        await self._tools.recorder.record(results_of(queue, (entry,), attempted))
        return attempted.state

    async def _paced(self) -> None:
        """Wait for the turn of the next attempt, where the queue has a rate; each process has."""
        if self._limiter is not None:
            await self._limiter.acquire()

    def _early_seconds(self, entry: Entry) -> float:
        return (entry.not_before_ns - self._tools.clock()) / NS_PER_SECOND

    def _is_closed(self) -> bool:
        """Return whether the endpoint is to be left alone."""
        return self._breaker.closed_until_ns > self._tools.clock()

    def _is_halted(self) -> bool:
        """Return whether no further attempt may begin."""
        return self._is_stopping or self._is_closed()

    async def _news_within(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()

    async def _stopped_within(self, seconds: float) -> None:
        """Wait, but no longer when told to stop."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not self._is_stopping and asyncio.get_running_loop().time() < deadline:
            await self._news_within(deadline - asyncio.get_running_loop().time())
