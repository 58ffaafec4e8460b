"""Kill processes that export, at every step: nothing is lost, and twins are known by their ids.

`TILLCORE_KILL_ROUNDS=50 pytest tests/e2e/test_export_kills.py` kills more often.
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from server.exports import queue
from server.storage import Store, StoreSettings, open_store
from server.storage.export_tables import export_entry, export_log
from server.storage.failpoints import EXPORT_POINTS
from tests.support.command_line import ROOT, SECONDS_MAX
from tests.support.databases import Postgres
from tests.support.export_child import QUEUES, Order, export_all, key_of
from tests.support.exports import add_queues, by_cron, rows, to_hook
from tests.support.web_hook_sink import Answer, Delivery, Reply, WebHookSink, web_hook_sink

ROUNDS = int(os.environ.get("TILLCORE_KILL_ROUNDS", "2"))
POINTS = (*EXPORT_POINTS, "before_commit", "after_commit")
CONCURRENCY = 4
SALES = 40

IN_FLIGHT_MAX = CONCURRENCY + 8 + 1
"""Attempts of one life of which nobody knows at a kill: side by side, in order, and one batch."""


class Life(NamedTuple):
    """What is left of a process: how it ended, and the sales that it has said are committed."""

    status: int
    keys: frozenset[str]


class Parent:
    """Starts processes, one after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def live(self, order: Order) -> Life:
        """Run a process until it is killed, or has nothing left to do."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        keys: list[str] = []
        async with asyncio.timeout(SECONDS_MAX):
            while True:
                line = (await self._process.stdout.readline()).decode()
                assert line, "the parent has ended"
                # What was killed while it wrote has left the beginning of a line.
                begin, has_ended, status = line.partition("ended ")
                if has_ended:
                    return Life(int(status), frozenset(keys))
                keys.append(begin.rstrip("\n"))


@asynccontextmanager
async def running_parent() -> AsyncIterator[Parent]:
    """Start what forks processes, and end it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.export_child"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdin is not None
    try:
        yield Parent(process)
    finally:
        process.stdin.close()
        await process.wait()


@pytest.fixture
async def sink() -> AsyncIterator[WebHookSink]:
    """Yield an endpoint that refuses every fifth delivery once."""
    async with web_hook_sink() as opened:
        seen: Counter[str] = Counter()

        def decide(delivery: Delivery) -> Answer:
            seen[delivery.identifier] += 1
            is_refused = delivery.arrival_index % 5 == 0 and seen[delivery.identifier] == 1
            return Reply(503 if is_refused else 200)

        opened.decide = decide
        yield opened


async def prepare(store: Store, sink: WebHookSink) -> None:
    """Make the queues: side by side, in order, in batches."""
    await add_queues(
        store,
        {
            "none": to_hook(sink, "/none", concurrency=CONCURRENCY),
            "strict": to_hook(sink, "/strict", order=queue.Order.STRICT),
            "cron": by_cron(sink, "/cron"),
        },
    )


def arrived_keys(sink: WebHookSink, path: str) -> list[str]:
    """Return the element keys that have arrived at a path, in their order."""
    bodies = [each.body for each in sink.deliveries if each.path == path]
    return [key for body in bodies for key in msgspec.json.decode(body)]


async def check(store: Store, sink: WebHookSink, lives: Sequence[Life]) -> None:
    """Find every sale in every queue, ended, and count what came twice."""
    acknowledged = frozenset().union(*(life.keys for life in lives))
    entries, log = await rows(store, export_entry), await rows(store, export_log)
    for queue_id in QUEUES:
        own = [row for row in entries if row["queue_id"] == queue_id]
        order = [row["element_key"] for row in own]
        assert len(order) == len(set(order))
        assert acknowledged <= set(order)
        ended = {"delivered", "failed"} if queue_id == "cron" else {"delivered"}
        assert ended >= {row["state"] for row in own}
        arrived = arrived_keys(sink, f"/{queue_id}")
        assert set(order) == set(arrived)
        if queue_id != "none":
            assert order == list(dict.fromkeys(arrived))
    # The three queues have the same sales, as they were placed in one transaction.
    assert {len(QUEUES)} == set(Counter(row["element_key"] for row in entries).values())
    # An attempt is a row of the log, those of a batch one for each entry.
    attempts = {(row["delivery_id"], row["ended_ns"], row["attempt_number"]) for row in log}
    logged = Counter(delivery_id for delivery_id, _, _ in attempts)
    unknown = {each: count - logged[each] for each, count in sink.identifiers().items()}
    assert set(logged) == set(unknown)
    assert min(unknown.values()) >= 0
    kills = [life for life in lives if life.status == -signal.SIGKILL]
    assert sum(unknown.values()) <= len(kills) * IN_FLIGHT_MAX


async def test_exports_when_killed_at_every_point_then_nothing_is_lost(
    store_settings: StoreSettings, sink: WebHookSink
) -> None:
    async with open_store(store_settings) as store:
        await prepare(store, sink)
    lives: list[Life] = []
    async with running_parent() as parent:
        for round_number in range(ROUNDS):
            for point in POINTS:
                order = Order(
                    directory=str(store_settings.directory),
                    url=store_settings.url,
                    owner=f"life-{len(lives)}",
                    first=SALES * len(lives),
                    count=SALES,
                    failpoint=f"{point}:{4 + 5 * round_number % 12}",
                )
                lives.append(await parent.live(order))

    assert [-signal.SIGKILL] * len(lives) == [life.status for life in lives]
    async with open_store(store_settings) as store:
        first = SALES * len(lives)
        await export_all(store, "last", first, SALES, is_alone=True)
        lives.append(Life(0, frozenset(key_of(first + number) for number in range(SALES))))
        await check(store, sink, lives)


async def test_exports_when_one_of_two_processes_is_killed_then_the_other_takes_over(
    postgres: Postgres, tmp_path: Path, sink: WebHookSink
) -> None:
    settings = StoreSettings(directory=tmp_path, url=postgres.emptied().render_as_string())
    first = Order(
        directory=str(tmp_path),
        url=settings.url,
        owner="first",
        first=0,
        count=2 * SALES,
        failpoint="after_delivery:20",
    )
    second = msgspec.structs.replace(first, owner="second", first=2 * SALES, failpoint="")
    async with open_store(settings) as store:
        await prepare(store, sink)
        async with running_parent() as one, running_parent() as other:
            lives = await asyncio.gather(one.live(first), other.live(second))
        await export_all(store, "last", 4 * SALES, 1, is_alone=False)
        await check(store, sink, lives)

    assert 0 == lives[1].status
