"""Fire cron triggers: each element in one batch, each batch once, with other processes too."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection

from server.exports.delivery_id import batch_id
from server.exports.outcome import Failure
from server.exports.queue import Cron, RetryPreset
from server.storage import Store, export_runs, open_store
from server.storage.export_lanes import claim
from server.storage.export_queues import fire_now, lock_queue
from server.storage.export_runs import fire
from server.storage.export_tables import export_entry, export_lane, export_log, export_run
from server.storage.exports import QueueName
from server.storage.open import StoreSettings
from tests.support.databases import Postgres
from tests.support.exports import (
    ACCOUNT,
    NOW_NS,
    SECOND,
    Dispatch,
    Log,
    StillClock,
    add_queues,
    by_cron,
    change,
    keys,
    lane_row,
    outcomes,
    place,
    queue_row,
    rows,
    running,
    states,
    to_hook,
    until,
    until_ended,
    until_logged,
)
from tests.support.web_hook_sink import Reply, WebHookSink, web_hook_sink

HOUR_NS = 3_600 * SECOND
FIRST_NS = NOW_NS + HOUR_NS - NOW_NS % HOUR_NS
NAME = QueueName(ACCOUNT, "q")
STANDARD = RetryPreset.STANDARD_WEBHOOKS


@pytest.fixture
async def sink() -> AsyncIterator[WebHookSink]:
    """Yield an endpoint that takes everything."""
    async with web_hook_sink() as opened:
        yield opened


@pytest.fixture
def clock() -> StillClock:
    """Return a clock that stands still."""
    return StillClock()


def batches(sink: WebHookSink) -> list[list[str]]:
    """Return the element keys of each delivery."""
    return [list(msgspec.json.decode(each.body)) for each in sink.deliveries]


async def until_due(store: Store, due_ns: int, queue_id: str = "q") -> None:
    """Wait until the next firing of a queue is this one, and nobody looks at it."""

    async def is_so() -> bool:
        row = await lane_row(store, queue_id)
        return (row["due_ns"], row["owner"]) == (due_ns, "")

    await until(is_so)


async def test_cron_when_it_fires_then_one_batch_of_what_waited_and_the_rest_next_time(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": by_cron(sink)})
    async with running(store, Dispatch(clock)):
        await place(store, *keys(3))
        await until_due(store, FIRST_NS)
        await place(store, *keys(2, 4))
        assert [] == batches(sink)
        clock.now_ns = FIRST_NS
        await until_due(store, FIRST_NS + HOUR_NS)
        await until_ended(store)
        await place(store, *keys(2, 6))
        clock.now_ns = FIRST_NS + HOUR_NS
        await until_ended(store)

    assert [list(keys(5)), list(keys(2, 6))] == batches(sink)
    assert [
        batch_id(*NAME, FIRST_NS, 1),
        batch_id(*NAME, FIRST_NS + HOUR_NS, 1),
    ] == [each.identifier for each in sink.deliveries]
    assert [(key, "delivered", 200) for key in keys(7)] == await outcomes(store)
    assert [("delivered", 5), ("delivered", 2)] == [
        (row["state"], row["entry_count"]) for row in await rows(store, export_run)
    ]


async def test_cron_when_nothing_waits_then_no_delivery(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": by_cron(sink)})
    await change(store, export_lane, "q", due_ns=NOW_NS)
    async with running(store, Dispatch(clock)):
        await until_due(store, FIRST_NS)

    assert [] == sink.deliveries
    assert [] == await rows(store, export_run)


async def test_cron_when_the_node_was_off_for_days_then_missed_firings_run_once(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": by_cron(sink)})
    await place(store, *keys(3))
    await change(store, export_lane, "q", due_ns=FIRST_NS)
    clock.now_ns = FIRST_NS + 75 * HOUR_NS + 1

    async with running(store, Dispatch(clock)):
        await until_due(store, FIRST_NS + 76 * HOUR_NS)
        await until_ended(store)

    assert [list(keys(3))] == batches(sink)
    assert [FIRST_NS] == [row["due_ns"] for row in await rows(store, export_run)]


async def test_cron_when_placed_without_end_then_complete_and_without_overlap(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": by_cron(sink)})
    await change(store, export_lane, "q", due_ns=FIRST_NS)
    async with running(store, Dispatch(clock)):

        async def placing(first: int) -> None:
            for number in range(first, first + 40):
                await place(store, f"sale-{number}")

        async def firing() -> None:
            for number in range(6):
                clock.now_ns = FIRST_NS + number * HOUR_NS
                await until_due(store, FIRST_NS + (number + 1) * HOUR_NS)

        await asyncio.gather(placing(0), placing(40), placing(80), firing())
        clock.now_ns = FIRST_NS + 6 * HOUR_NS
        await until_ended(store)

    delivered = Counter(key for batch in batches(sink) for key in batch)
    assert {f"sale-{number}": 1 for number in range(120)} == delivered
    # In the order of the queue, from batch to batch.
    order = [row["element_key"] for row in await rows(store, export_entry)]
    assert order == [key for batch in batches(sink) for key in batch]


@pytest.mark.parametrize(
    ("retry", "expected"),
    [
        (RetryPreset.REFERENCE, "failed"),
        (RetryPreset.NONE, "failed"),
        (STANDARD, "retried"),
    ],
)
async def test_batch_when_it_fails_then_a_row_in_the_log_for_every_entry(
    store: Store,
    sink: WebHookSink,
    clock: StillClock,
    retry: RetryPreset,
    expected: str,
) -> None:
    await add_queues(store, {"q": by_cron(sink, retry=retry)})
    sink.script("/hook", Reply(503))
    await place(store, *keys(3))
    await change(store, export_lane, "q", due_ns=NOW_NS)
    async with running(store, Dispatch(clock)):
        await until_logged(store, 3)

    assert [(key, expected, 503) for key in keys(3)] == await outcomes(store)
    assert {"waiting" if expected == "retried" else "failed"} == {
        *(await states(store)).values(),
        *(row["state"] for row in await rows(store, export_run)),
    }
    # One failed attempt, not three.
    assert 1 == (await lane_row(store))["failure_count"]


async def test_batch_when_it_is_tried_again_then_the_same_entries_under_the_same_id(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": by_cron(sink, retry=STANDARD)})
    sink.script("/hook", Reply(500), Reply(500), Reply())
    await place(store, *keys(3))
    await change(store, export_lane, "q", due_ns=NOW_NS)
    async with running(store, Dispatch(clock)):
        await until_logged(store, 3)
        await place(store, *keys(2, 4))
        for wait, count in ((5, 6), (300, 9)):
            clock.forward(wait)
            await until_logged(store, count)
        clock.now_ns = FIRST_NS
        await until_ended(store)

    assert [list(keys(3))] * 3 + [list(keys(2, 4))] == batches(sink)
    assert {batch_id(*NAME, NOW_NS, 1): 3, batch_id(*NAME, FIRST_NS, 1): 1} == sink.identifiers()
    assert [1] * 3 + [2] * 3 + [3] * 3 + [1] * 2 == [
        row["attempt_number"] for row in await rows(store, export_log)
    ]


async def test_batch_when_an_earlier_one_is_tried_again_then_waits_for_it(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": by_cron(sink, retry=STANDARD)})
    sink.script("/hook", *[Reply(500)] * 4, Reply())
    await change(store, export_lane, "q", due_ns=NOW_NS)
    await place(store, *keys(2))
    async with running(store, Dispatch(clock)):
        for wait, count in ((5, 2), (300, 4), (1_800, 6), (0, 8)):
            await until_logged(store, count)
            clock.forward(wait)
        # The fifth attempt is two hours later; meanwhile the trigger fires.
        await place(store, *keys(2, 3))
        clock.now_ns = FIRST_NS
        await until_due(store, FIRST_NS + HOUR_NS)
        assert 4 == len(sink.deliveries)
        clock.forward(7_200)
        await until_ended(store)

    assert [list(keys(2))] * 5 + [list(keys(2, 3))] == batches(sink)


async def test_batch_when_too_large_then_parts_in_their_order(
    store: Store, sink: WebHookSink, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_runs, "BATCH_ENTRIES_MAX", 4)
    monkeypatch.setattr(export_runs, "BATCH_BYTES_MAX", 3 * len('{"id":"sale-0001"}') + 1)
    await add_queues(store, {"q": by_cron(sink)})
    await place(store, *keys(8))
    await change(store, export_lane, "q", due_ns=NOW_NS)
    async with running(store, Dispatch(clock)):
        await until_ended(store)

    assert [list(keys(3)), list(keys(3, 4)), list(keys(2, 7))] == batches(sink)
    assert [batch_id(*NAME, NOW_NS, part) for part in (1, 2, 3)] == [
        each.identifier for each in sink.deliveries
    ]


async def test_fire_when_two_do_it_at_once_then_one_batch(store: Store, sink: WebHookSink) -> None:
    await add_queues(store, {"q": by_cron(sink)})
    await place(store, *keys(3))
    await change(store, export_lane, "q", due_ns=NOW_NS)
    firing = partial(fire, name=NAME, due_ns=NOW_NS, next_due_ns=FIRST_NS, now_ns=NOW_NS)

    counts = await asyncio.gather(*(store.write(firing) for _ in range(6)))

    assert [0, 0, 0, 0, 0, 1] == sorted(counts)
    assert 1 == len(await rows(store, export_run))
    # What was placed meanwhile is for the next firing, however late somebody fires this one.
    await place(store, *keys(1, 4))
    assert 0 == await store.write(firing)


async def test_fire_when_the_clock_was_set_back_then_a_further_part_of_that_firing(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": by_cron(sink)})
    async with running(store, Dispatch(clock)):
        for number in range(2):
            await place(store, f"sale-{number}")
            await change(store, export_lane, "q", due_ns=NOW_NS)
            await until_logged(store, number + 1)

    assert {batch_id(*NAME, NOW_NS, part): 1 for part in (1, 2)} == sink.identifiers()


async def test_fire_when_somebody_asks_for_it_then_at_once(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    def work(connection: Connection) -> None:
        fire_now(connection, lock_queue(connection, NAME), now_ns=clock())

    await add_queues(store, {"q": by_cron(sink)})
    async with running(store, Dispatch(clock)):
        await place(store, *keys(2))
        await until_due(store, FIRST_NS)
        await store.write(work)
        await until_ended(store)

    assert [list(keys(2))] == batches(sink)


async def test_cron_when_two_processes_share_a_database_then_each_batch_once(
    postgres: Postgres, tmp_path: Path, sink: WebHookSink, clock: StillClock
) -> None:
    settings = StoreSettings(directory=tmp_path, url=postgres.emptied().render_as_string())
    queue_ids = [f"q{number}" for number in range(8)]
    async with (
        open_store(settings) as first,
        open_store(settings) as second,
    ):
        await add_queues(first, {each: by_cron(sink, f"/{each}") for each in queue_ids})
        async with (
            running(first, Dispatch(clock, owner="first")),
            running(second, Dispatch(clock, owner="second")),
        ):
            for number in range(3):
                await place((first, second)[number % 2], *keys(5, 1 + 5 * number))
                for each in queue_ids:
                    await until_due(first, FIRST_NS + number * HOUR_NS, each)
                clock.now_ns = FIRST_NS + number * HOUR_NS
                await until_ended(first, *queue_ids)

    assert {1} == set(sink.identifiers().values())
    for each in queue_ids:
        own = [delivery for delivery in sink.deliveries if delivery.path == f"/{each}"]
        assert [list(keys(5, first)) for first in (1, 6, 11)] == [
            list(msgspec.json.decode(delivery.body)) for delivery in own
        ]


async def test_batch_when_a_process_ends_after_the_firing_then_the_same_batch_by_another(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": by_cron(sink)})
    await place(store, *keys(3))
    await change(store, export_lane, "q", due_ns=NOW_NS)
    # What a process does up to its end: it leases the queue and fires.
    claiming = partial(
        claim, names=[NAME], owner="dead", now_ns=NOW_NS, lease_until_ns=NOW_NS + 15 * SECOND
    )
    assert [NAME] == await store.write(claiming)
    await store.write(partial(fire, name=NAME, due_ns=NOW_NS, next_due_ns=FIRST_NS, now_ns=NOW_NS))
    await place(store, *keys(2, 4))

    async with running(store, Dispatch(clock)):
        clock.forward(15.1)
        await until_logged(store, 3)

    assert [list(keys(3))] == batches(sink)
    assert batch_id(*NAME, NOW_NS, 1) == sink.deliveries[0].identifier
    assert ["delivered"] * 3 + ["waiting"] * 2 == list((await states(store)).values())


async def test_cron_when_it_never_fires_then_disabled_with_the_reason(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    log = Log()
    trigger = Cron(expression="0 0 30 2 *")
    await add_queues(store, {"q": to_hook(sink, trigger=trigger)})
    async with running(store, Dispatch(clock, log=log)):
        await place(store, "sale-1")

        async def is_disabled() -> bool:
            return "disabled" in (await queue_row(store)).values()

        await until(is_disabled)

    assert "expected" in (await queue_row(store))["state_reason"]
    assert ["export_queue_disabled"] == log.errors
    assert {"sale-1": "waiting"} == await states(store)


async def test_batches_when_the_endpoint_fails_twenty_times_then_left_alone(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": by_cron(sink)})
    await change(store, export_lane, "q", failure_count=19, due_ns=NOW_NS)
    sink.script("/hook", Reply(503), Reply())
    await place(store, *keys(2))
    async with running(store, Dispatch(clock)):
        await until_logged(store, 2)
        await place(store, *keys(2, 3))
        await change(store, export_lane, "q", due_ns=NOW_NS + 1)
        clock.forward(29)
        other = to_hook(sink, "/other")
        await add_queues(store, {"other": other})
        await place(store, *keys(1, 5))
        await until_ended(store, "other")
        assert 1 == len([each for each in sink.deliveries if each.path == "/hook"])
        clock.forward(1)
        await until_ended(store)

    failures = [row["failure"] for row in await rows(store, export_log) if row["queue_id"] == "q"]
    assert [Failure.STATUS.value] * 2 + [""] * 3 == failures
