"""Have a consumer for every queue that is dispatched, and none for the others."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NamedTuple

from engine.errors import Overloaded, StoreUnavailable
from server.exports.nats.broker import TROUBLE, Broker, end
from server.exports.nats.due_rows import Active, active_queues, all_names
from server.exports.nats.entry_reader import EntryReader
from server.exports.nats.names import token_of
from server.exports.nats.queue_consumer import QueueConsumer
from server.exports.nats.settings import Timings
from server.exports.tools import Tools
from server.storage.exports import QueueName

_HOLDS_ON_COUNT = 3
"""How often the broker hears of what is in hand, in the time after which it takes it back."""


class _Running(NamedTuple):
    """A consumer that runs, and the version of the queue that it was made for."""

    consumer: QueueConsumer
    task: "asyncio.Task[None]"
    version: tuple[int, ...]


class Consumers:
    """The consumers of a process."""

    def __init__(self, tools: Tools, *, broker: Broker, timings: Timings) -> None:
        """Begin without consumers.

        Args:
            tools: What they share with others.
            broker: Who has the messages.
            timings: How often is looked for changes.
        """
        self._tools = tools
        self._broker = broker
        self._reader = EntryReader(tools.store)
        self._timings = timings
        self._running: dict[QueueName, _Running] = {}
        self._unfit: dict[QueueName, tuple[int, ...]] = {}
        self._swept_epoch = 0
        self._is_stopping = False

    async def run(self) -> None:
        """Look for changes until cancelled; `finish` then ends the consumers."""
        while True:
            try:
                await self._look()
                await self._sweep()
            except (*TROUBLE, StoreUnavailable, Overloaded):
                # Whoever is in trouble says so elsewhere; the next look is soon.
                pass
            except Exception:
                self._tools.log.exception("nats_defect")
            await asyncio.sleep(self._timings.poll_seconds)

    async def hold_on(self) -> None:
        """Keep what is in hand from being given to others, until cancelled."""
        while True:
            await asyncio.sleep(self._timings.ack_wait_seconds / _HOLDS_ON_COUNT)
            for running in tuple(self._running.values()):
                await running.consumer.hold_on()

    def stop(self) -> None:
        """Take no further message, of any queue."""
        self._is_stopping = True
        for running in self._running.values():
            running.consumer.stop()

    async def finish(self) -> None:
        """Let the consumers finish what is under way."""
        self.stop()
        tasks = [running.task for running in self._running.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._tools.pace.grace_seconds)
            await end(*late)

    async def _look(self) -> None:
        """Start and stop consumers as the queues want it."""
        rows = await self._tools.store.read(active_queues)
        now_ns = self._tools.clock()
        wanted = {each.name: each for each in rows if each.closed_until_ns <= now_ns}
        for name, running in self._running.items():
            if name not in wanted or wanted[name].version != running.version:
                running.consumer.stop()
        known = {each.name for each in rows}
        if not self._running.keys() <= known:
            # Paused or deleted; what is left of deleted ones is swept out.
            self._swept_epoch = 0
        self._unfit = {name: kept for name, kept in self._unfit.items() if name in known}
        if self._is_stopping:
            return
        for each in wanted.values():
            if each.name not in self._running and self._unfit.get(each.name) != each.version:
                self._start(each)

    def _start(self, active: Active) -> None:
        consumer = QueueConsumer(
            active.name,
            self._tools,
            broker=self._broker,
            reader=self._reader,
            timings=self._timings,
        )
        task = asyncio.create_task(self._run(active, consumer))
        self._running[active.name] = _Running(consumer, task, active.version)

    async def _run(self, active: Active, consumer: QueueConsumer) -> None:
        try:
            await consumer.run()
        except Exception:
            self._tools.log.exception(
                "export_consumer_failed",
                account=active.name.account_id,
                queue=active.name.queue_id,
            )
            await asyncio.sleep(self._timings.poll_seconds)
        finally:
            del self._running[active.name]
            if consumer.is_unfit:
                self._unfit[active.name] = active.version

    async def _sweep(self) -> None:
        """Remove what the broker has of queues that are no more, once in each connection."""
        epoch = self._broker.epoch
        if not self._broker.is_up or self._swept_epoch == epoch:
            return
        tokens = await self._broker.consumers()
        # Read after the consumers, each of which was made for a queue that was there before.
        names = await self._tools.store.read(all_names)
        for token in set(tokens) - {token_of(name) for name in names}:
            await self._broker.forget(token)
        self._swept_epoch = epoch


@asynccontextmanager
async def consuming(
    tools: Tools, *, broker: Broker, timings: Timings
) -> AsyncGenerator[Consumers, None]:
    """Consume until the end of the block, and finish what is under way."""
    consumers = Consumers(tools, broker=broker, timings=timings)
    looking = asyncio.create_task(consumers.run())
    holding_on = asyncio.create_task(consumers.hold_on())
    try:
        yield consumers
    finally:
        await end(looking)
        await consumers.finish()
        await end(holding_on)
