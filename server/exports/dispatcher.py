"""Lease queues that have something due, and run a lane for each, until the server drains."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import NamedTuple

from engine.errors import Overloaded, StoreUnavailable
from server.exports.lane import Lane
from server.exports.pace import NS_PER_SECOND
from server.exports.tools import Tools
from server.storage.export_lanes import (
    NAMES_MAX,
    claim,
    find_due,
    release,
    release_all,
    renew,
)
from server.storage.exports import QueueName

NewLane = Callable[[QueueName, Tools], Lane]


class _Running(NamedTuple):
    """A lane that runs, and since when by the clock of the event loop."""

    lane: Lane
    task: "asyncio.Task[None]"
    since_seconds: float


class Dispatcher:
    """Runs the lanes of the queues that this process has leased."""

    def __init__(self, tools: Tools, new_lane: NewLane, *, owner: str, is_alone: bool) -> None:
        """Begin without lanes.

        Args:
            tools: What the lanes share.
            new_lane: Makes the lane of a queue.
            owner: What this process is called in leases; no two have the same, and none has that
                of its former life.
            is_alone: Whether no other process uses the database, so that every lease that is found
                at the start is of a process that has ended.
        """
        self._tools = tools
        self._pace = tools.pace
        self._new_lane = new_lane
        self._owner = owner
        self._has_former_leases = is_alone
        self._lanes: dict[QueueName, _Running] = {}
        self._resting: dict[QueueName, int] = {}
        self._placed: set[QueueName] = set()
        self._news = asyncio.Event()
        self._polled_seconds = 0.0
        self._renewing: asyncio.Task[None] | None = None

    def placed(self, names: frozenset[QueueName]) -> None:
        """Look at queues in which entries were placed."""
        for name in names:
            if name in self._lanes:
                self._lanes[name].lane.wake()
            else:
                self._placed.add(name)
                self._news.set()

    async def run(self) -> None:
        """Dispatch until cancelled; `finish` then ends the lanes."""
        self._renewing = asyncio.create_task(self._renew())
        while True:
            self._news.clear()
            wanted, self._placed = self._placed, set()
            if await self._tried(partial(self._round, wanted)):
                await asyncio.sleep(self._pace.round_seconds)
            else:
                self._placed |= wanted
                await asyncio.sleep(self._pace.poll_seconds)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds_to_poll()):
                    await self._news.wait()

    async def finish(self) -> None:
        """Let the lanes finish what is under way, and give their queues back."""
        for running in self._lanes.values():
            running.lane.stop()
        tasks = [running.task for running in self._lanes.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._pace.grace_seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait((self._renewing,))
        # Those that were leased while the end came have no lane.
        giving_back = partial(release_all, owner=self._owner)
        await self._tried(partial(self._tools.store.write, giving_back))

    async def _round(self, wanted: Collection[QueueName]) -> None:
        """Start lanes for queues that are free and have something due.

        Args:
            wanted: Those that are looked at between two polls.
        """
        if self._has_former_leases:
            await self._tools.store.write(release_all)
            self._has_former_leases = False
        now_ns = self._tools.clock()
        self._resting = {name: end for name, end in self._resting.items() if end > now_ns}
        names = self._without_lane(await self._due(wanted, now_ns))
        room = self._pace.lanes_max - len(self._lanes)
        if len(names) > room:
            self._make_room(len(names) - room)
        if not names or room <= 0:
            return
        if room > NAMES_MAX <= len(names):
            # There may be more.
            self._polled_seconds = 0.0
        names = names[: min(room, NAMES_MAX)]
        until_ns = self._lease_until_ns()
        claiming = partial(
            claim, names=names, owner=self._owner, now_ns=now_ns, lease_until_ns=until_ns
        )
        for name in await self._tools.store.write(claiming):
            lane = self._new_lane(name, self._tools)
            lane.hold(until_ns)
            task = asyncio.create_task(self._run_lane(name, lane))
            self._lanes[name] = _Running(lane, task, asyncio.get_running_loop().time())

    async def _due(self, wanted: Collection[QueueName], now_ns: int) -> list[QueueName]:
        """Return queues that have something due: among those wanted, or when it is time, of all."""
        find = partial(find_due, now_ns=now_ns, owner=self._owner, count=NAMES_MAX)
        found: list[QueueName] = []
        among = self._without_lane(wanted)
        for start in range(0, len(among), NAMES_MAX):
            part = among[start : start + NAMES_MAX]
            found += await self._tools.store.read(partial(find, names=part))
        if self._seconds_to_poll() <= 0:
            found += await self._tools.store.read(find)
            self._polled_seconds = asyncio.get_running_loop().time()
        return list(dict.fromkeys(found))

    def _without_lane(self, names: Collection[QueueName]) -> list[QueueName]:
        return [each for each in names if each not in self._lanes and each not in self._resting]

    def _make_room(self, count: int) -> None:
        """End lanes that have had their turn, the oldest first, so that others get theirs."""
        begun_before = asyncio.get_running_loop().time() - self._pace.linger_seconds
        for running in list(self._lanes.values())[:count]:
            if running.since_seconds < begun_before:
                running.lane.stop()

    async def _run_lane(self, name: QueueName, lane: Lane) -> None:
        """Run a lane to its end, and give its queue back."""
        rest_seconds = self._pace.rest_seconds
        try:
            try:
                await lane.run()
            except (StoreUnavailable, Overloaded):
                # Whoever polls finds it as soon as the database answers.
                pass
            except Exception:
                rest_seconds = self._pace.defect_seconds
                lane.rest_until_ns = self._tools.clock() + rest_seconds * NS_PER_SECOND
                self._tools.log.exception(
                    "export_lane_failed", account=name.account_id, queue=name.queue_id
                )
            now_ns = self._tools.clock()
            releasing = partial(release, names=[name], owner=self._owner, now_ns=now_ns)
            if not await self._tried(partial(self._tools.store.write, releasing)):
                # It is still ours, which nobody else can know before the lease lapses.
                lane.wake()
        finally:
            self._note_end(name, lane, rest_seconds)

    def _note_end(self, name: QueueName, lane: Lane, rest_seconds: int) -> None:
        del self._lanes[name]
        now_ns = self._tools.clock()
        if lane.rest_until_ns > now_ns:
            until_ns = now_ns + rest_seconds * NS_PER_SECOND
            self._resting[name] = min(lane.rest_until_ns, until_ns)
        elif lane.has_news:
            self._placed.add(name)
            self._news.set()

    async def _renew(self) -> None:
        """Keep the leases of all lanes; stop those whose queue somebody else has."""
        while True:
            await asyncio.sleep(self._pace.renewal_seconds)
            names = list(self._lanes)
            for start in range(0, len(names), NAMES_MAX):
                await self._tried(partial(self._renew_some, names[start : start + NAMES_MAX]))

    async def _renew_some(self, names: Collection[QueueName]) -> None:
        until_ns = self._lease_until_ns()
        renewing = partial(renew, names=names, owner=self._owner, lease_until_ns=until_ns)
        held = await self._tools.store.write(renewing)
        for name in names:
            running = self._lanes.get(name)
            if running is None:
                continue
            if name in held:
                running.lane.hold(until_ns)
            else:
                running.lane.stop()

    def _lease_until_ns(self) -> int:
        return self._tools.clock() + self._pace.lease_seconds * NS_PER_SECOND

    def _seconds_to_poll(self) -> float:
        elapsed = asyncio.get_running_loop().time() - self._polled_seconds
        return self._pace.poll_seconds - elapsed if self._polled_seconds else 0.0

    async def _tried(self, work: Callable[[], Awaitable[object]]) -> bool:
        """Do something with the database; return whether it was done."""
        try:
            await work()
        except (StoreUnavailable, Overloaded):
            return False
        except Exception:
            # A mistake of ours; what waits is not lost, and other queues may be fine.
            self._tools.log.exception("export_dispatch_failed")
            return False
        return True


@asynccontextmanager
async def dispatching(dispatcher: Dispatcher, tools: Tools) -> AsyncGenerator[None, None]:
    """Dispatch until the end of the block, and finish what is under way."""
    with tools.store.announcements.listening(dispatcher.placed):
        running = asyncio.create_task(dispatcher.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.wait((running,))
            await dispatcher.finish()
