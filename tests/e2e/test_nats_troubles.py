"""Kill workers and brokers in mid-run: every export arrives, in order where asked for."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from server.exports.delivery_id import delivery_id
from server.exports.nats.settings import Timings
from server.exports.queue import Order
from server.storage import Store, StoreSettings, open_store
from tests.support.databases import Postgres
from tests.support.exports import ACCOUNT, add_queues, keys, place, to_hook, until_ended
from tests.support.nats_dispatch import arrived_keys
from tests.support.nats_server import NatsServer
from tests.support.nats_worker_child import end_worker, start_worker
from tests.support.web_hook_sink import Delivery, Reply, WebHookSink, web_hook_sink

IN_ORDER, SIDE_BY_SIDE = "in-order", "side-by-side"
CONCURRENCY = 4
IN_HAND_MAX = CONCURRENCY + 1
"""What two queues have in hand at a time, in all processes together."""

TIMINGS = Timings(
    republish_seconds=1.0, ack_wait_seconds=3.0, poll_seconds=0.1, reconnect_seconds=0.1
)


@pytest.fixture
def server() -> Iterator[NatsServer]:
    """Yield a running broker."""
    with NatsServer() as started:
        yield started


@pytest.fixture
async def sink() -> AsyncIterator[WebHookSink]:
    """Yield an endpoint that takes its time."""
    async with web_hook_sink() as opened:
        opened.decide = lambda _: Reply(delay_seconds=0.005)
        yield opened


@pytest.fixture
def shared(postgres: Postgres, tmp_path: Path) -> StoreSettings:
    """Return the settings of a store that several processes may open."""
    return StoreSettings(directory=tmp_path, url=postgres.emptied().render_as_string())


@pytest.fixture
async def store(shared: StoreSettings, sink: WebHookSink) -> AsyncIterator[Store]:
    """Yield that store, with two queues."""
    async with open_store(shared) as opened:
        side_by_side = to_hook(sink, f"/{SIDE_BY_SIDE}", concurrency=CONCURRENCY)
        in_order = to_hook(sink, f"/{IN_ORDER}", order=Order.STRICT)
        await add_queues(opened, {SIDE_BY_SIDE: side_by_side, IN_ORDER: in_order})
        yield opened


@pytest.fixture
async def workers(
    shared: StoreSettings, store: Store, server: NatsServer, tmp_path: Path
) -> AsyncIterator[list["subprocess.Popen[str]"]]:
    """Yield two processes that dispatch; those that still run end with the test."""
    assert store is not None
    start = partial(start_worker, store=shared, nats_url=server.url, timings=TIMINGS)
    started = await asyncio.gather(
        *(
            asyncio.to_thread(start, tmp_path / f"{owner}.json", owner=owner)
            for owner in ("worker-1", "worker-2")
        )
    )
    yield started
    for each in started:
        if each.poll() is None:
            await asyncio.to_thread(end_worker, each)


async def kill(worker: "subprocess.Popen[str]") -> None:
    """End a process at once."""
    worker.kill()
    await asyncio.to_thread(worker.communicate)


def check_all_arrived(sink: WebHookSink, count: int) -> None:
    """Find every entry of both queues under its id, and those in order in their order.

    Raises:
        AssertionError: One is missing, or has overtaken another.
    """
    expected = {
        delivery_id(ACCOUNT, queue_id, number)
        for queue_id in (IN_ORDER, SIDE_BY_SIDE)
        for number in range(1, count + 1)
    }
    assert expected == set(sink.identifiers())
    assert list(keys(count)) == list(dict.fromkeys(arrived_keys(sink, f"/{IN_ORDER}")))


async def test_workers_when_one_is_killed_then_the_other_makes_its_attempts(
    store: Store, sink: WebHookSink, workers: list["subprocess.Popen[str]"]
) -> None:
    await place(store, *keys(100))
    await sink.arrived(60)
    await kill(workers[0])
    await until_ended(store, IN_ORDER, SIDE_BY_SIDE)

    check_all_arrived(sink, 100)
    assert len(sink.deliveries) <= 200 + IN_HAND_MAX


async def test_workers_when_both_are_killed_and_started_again_then_nothing_is_lost(
    store: Store,
    sink: WebHookSink,
    workers: list["subprocess.Popen[str]"],
    shared: StoreSettings,
    server: NatsServer,
    tmp_path: Path,
) -> None:
    await place(store, *keys(100))
    await sink.arrived(60)
    await asyncio.gather(*(kill(each) for each in workers))
    again = await asyncio.to_thread(
        start_worker,
        tmp_path / "again.json",
        shared,
        owner="worker-3",
        nats_url=server.url,
        timings=TIMINGS,
    )
    workers.append(again)
    await until_ended(store, IN_ORDER, SIDE_BY_SIDE)

    check_all_arrived(sink, 100)
    assert len(sink.deliveries) <= 200 + IN_HAND_MAX


@pytest.mark.usefixtures("workers")
async def test_broker_when_killed_and_wiped_again_and_again_then_nothing_is_lost(
    store: Store, sink: WebHookSink, server: NatsServer
) -> None:
    def some_fail(delivery: Delivery) -> Reply:
        return Reply(503 if delivery.arrival_index % 7 == 0 else 200, delay_seconds=0.005)

    sink.decide = some_fail
    for first in range(1, 120, 40):
        count = len(sink.deliveries)
        await place(store, *keys(40, first))
        await sink.arrived(count + 20)
        server.kill()
        server.wipe()
        server.start()
    await until_ended(store, IN_ORDER, SIDE_BY_SIDE)

    check_all_arrived(sink, 120)
