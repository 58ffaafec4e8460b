"""Tell the broker which entries of a queue are due, in place of delivering them here."""

from functools import partial
from typing import Final

from server.exports.lane import RealTimeLane
from server.exports.loaded_queues import LoadedQueue
from server.exports.nats.broker import Broker
from server.exports.nats.due_rows import Unpublished, note_published, read_unpublished
from server.exports.nats.names import message_of, subject_of, token_of
from server.exports.nats.settings import Timings
from server.exports.pace import NS_PER_SECOND
from server.exports.tools import Tools
from server.storage.export_lanes import LaneState
from server.storage.exports import QueueName

PAGE_COUNT: Final = 256
"""Entries that the broker is told of at a time."""

_PAUSE_SECONDS_MIN: Final = 0.02


class RelayLane(RealTimeLane):
    """The lane of one queue; the batches of a cron trigger it delivers itself."""

    def __init__(self, name: QueueName, tools: Tools, *, broker: Broker, timings: Timings) -> None:
        """Begin with nothing published.

        Args:
            name: Of the queue, which this process has leased.
            tools: What it shares with others.
            broker: Whom it tells.
            timings: How long the broker is trusted, and with how much.
        """
        super().__init__(name, tools)
        self._broker = broker
        self._timings = timings
        self._token = token_of(name)
        self._found: Unpublished | None = None
        self._read_ns = 0
        self._pause_seconds = _PAUSE_SECONDS_MIN

    async def _read(self) -> LaneState | None:
        self._read_ns = self._tools.clock()
        work = partial(
            read_unpublished,
            name=self.name,
            now_ns=self._read_ns,
            count=0 if self._is_cron else PAGE_COUNT,
            published_max=self._timings.published_max,
        )
        self._found = await self._tools.store.read(work)
        return None if self._found is None else self._found.state

    async def _dispatch(self, queue: LoadedQueue, state: LaneState) -> bool:
        if queue.is_cron or self._is_cron:
            if queue.is_cron:
                return await super()._dispatch(queue, state)
            self._is_cron = self._is_in_order = False
            return True
        assert self._found is not None
        if not self._broker.is_up:
            return await self._outlasted()
        numbers = self._found.entry_numbers
        if not numbers and not self._found.is_full:
            return await self._waited()
        self._idle_seconds = 0.0
        if numbers and await self._publish(numbers):
            self._pause_seconds = _PAUSE_SECONDS_MIN
            return not self._is_stopping
        # The broker has as much as it may have, or does not take what it is told.
        await self._news_within(self._pause_seconds)
        self._pause_seconds = min(2 * self._pause_seconds, self._tools.pace.poll_seconds)
        return True

    async def _publish(self, numbers: list[int]) -> bool:
        """Tell the broker of entries; return whether it took them all."""
        confirmed = await self._broker.publish(
            [
                (
                    subject_of(self._broker.prefix, self._token, number),
                    message_of(self.name, number),
                )
                for number in numbers
            ]
        )
        taken = [number for number, is_taken in zip(numbers, confirmed, strict=True) if is_taken]
        if taken:
            trusted_ns = int(self._timings.republish_seconds * NS_PER_SECOND)
            work = partial(
                note_published,
                name=self.name,
                entry_numbers=taken,
                read_ns=self._read_ns,
                until_ns=self._tools.clock() + trusted_ns,
            )
            await self._tools.store.write(work)
        return len(taken) == len(numbers)

    async def _outlasted(self) -> bool:
        """Wait until the broker is there; the entries wait in the database."""
        with self._broker.listening(self.wake):
            while not (self._broker.is_up or self._is_stopping):
                self._news.clear()
                await self._news.wait()
        return not self._is_stopping
