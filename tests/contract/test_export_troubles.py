"""Dispatch while the database is away, a lane fails, and other processes come and go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection

from server.exports.kinds import ExportKind
from server.exports.queue import Order
from server.exports.sandbox import SandboxUnavailable
from server.exports.tools import Tools
from server.exports.transforms.job import Job, Made, wrapped
from server.storage import Store, open_store
from server.storage.export_lanes import claim, find_due, renew
from server.storage.export_results import is_recorded, record
from server.storage.export_tables import export_lane, export_log
from server.storage.exports import ExportEvent, QueueName, place_all
from server.storage.open import StoreSettings
from tests.support.databases import Postgres
from tests.support.export_queues import a_result, insert_queue
from tests.support.exports import (
    ACCOUNT,
    NOW_NS,
    QUICK,
    SECOND,
    UNPOLLED,
    AwayStore,
    Dispatch,
    GatedTransforms,
    Log,
    StillClock,
    add_queues,
    by_cron,
    change,
    keys,
    lane_row,
    outcomes,
    place,
    rows,
    running,
    states,
    to_hook,
    until,
    until_ended,
    until_logged,
    until_released,
)
from tests.support.web_hook_sink import Reply, WebHookSink, web_hook_sink

NAME = QueueName(ACCOUNT, "q")


@pytest.fixture
async def sink() -> AsyncIterator[WebHookSink]:
    """Yield an endpoint that takes everything."""
    async with web_hook_sink() as opened:
        yield opened


@pytest.fixture
def clock() -> StillClock:
    """Return a clock that stands still."""
    return StillClock()


# --- the database is away --------------------------------------------------------------------


@pytest.mark.parametrize("is_unknown", [False, True], ids=["refused", "unknown"])
@pytest.mark.parametrize("is_cron", [False, True], ids=["real_time", "cron"])
async def test_results_when_the_database_goes_away_then_kept_and_written_once(
    store: Store, sink: WebHookSink, clock: StillClock, *, is_unknown: bool, is_cron: bool
) -> None:
    away = AwayStore(store)
    away.is_unknown = is_unknown
    await add_queues(store, {"q": by_cron(sink) if is_cron else to_hook(sink)})
    await change(store, export_lane, "q", due_ns=NOW_NS if is_cron else None)
    await place(store, *keys(5))

    def decide(_: object) -> Reply:
        away.is_away = True
        return Reply(503, delay_seconds=0.02)

    sink.decide = decide
    async with running(away, Dispatch(clock)):
        await sink.arrived(1)
        await away.written(3)
        away.is_away = False
        await until_logged(store, 5)

    assert {1 if is_cron else 5} == {len(sink.deliveries)}
    assert {(key, "failed" if is_cron else "retried", 503) for key in keys(5)} == set(
        await outcomes(store)
    )
    assert 5 == len(await rows(store, export_log))
    assert (1 if is_cron else 5) == (await lane_row(store))["failure_count"]


async def test_dispatch_when_the_database_is_away_at_the_start_then_begins_when_it_is_back(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    away = AwayStore(store)
    await add_queues(store, {"q": to_hook(sink)})
    await place(store, *keys(3))
    away.is_away = True

    async with running(away, Dispatch(clock, is_alone=True)):
        await away.written(2)
        away.is_away = False
        await until_ended(store)

    assert 3 == len(sink.deliveries)


# --- mistakes of ours ------------------------------------------------------------------------


class FewTransforms:
    """Makes a lane fail, and counts how often."""

    def __init__(self) -> None:
        self.failed_count = 0

    async def transform(self, job: Job) -> Made:
        """Wrap the elements, where they are not of the broken queue."""
        if job.kind is ExportKind.CHECKOUT:
            self.failed_count += 1
            raise SandboxUnavailable("no process for transforms could be started")
        return Made(body=wrapped(job.elements), content_type="text/plain", extension=".txt")


async def test_lane_when_it_fails_then_rests_and_the_others_go_on(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    def break_down(connection: Connection) -> None:
        kind = ExportKind.CHECKOUT
        insert_queue(connection, account_id=ACCOUNT, queue_id="broken", kind=kind)
        event = ExportEvent(kind, "checkout-1", b"{}")
        place_all(connection, account_id=ACCOUNT, events=[event], now_ns=NOW_NS)

    log, transforms = Log(), FewTransforms()
    await add_queues(store, {"q": to_hook(sink)})
    await store.write(break_down)

    async def is_tried_again() -> bool:
        return transforms.failed_count == 2

    async with running(store, Dispatch(clock, log=log, transformer=transforms)):
        for number in range(10):
            await place(store, f"sale-{number}")
            await until_ended(store, "q")
        await until_released(store, "broken")
        assert 1 == transforms.failed_count
        clock.forward(60)
        await until(is_tried_again)
        await until_released(store, "broken")
        log.expected("export_lane_failed")

    assert {"checkout-1": "waiting"} == await states(store, "broken")


async def test_result_when_one_cannot_be_written_then_the_others_of_its_group_are(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    log = Log()
    await add_queues(store, {"q": to_hook(sink)})
    await place(store, *keys(3))
    results = [a_result(NAME, number, key) for number, key in enumerate(keys(3), 1)]
    bad = results[1]._replace(outcome="nonsense")
    async with running(store, Dispatch(clock, log=log, dispatching=nothing)) as tools:
        recording = [
            asyncio.create_task(tools.recorder.record([each]))
            for each in (results[0], bad, results[2])
        ]
        ended = await asyncio.gather(*recording, return_exceptions=True)
        log.expected("exports_not_recorded")

    assert [type(None), AssertionError, type(None)] == [type(each) for each in ended]
    assert ["delivered", "waiting", "delivered"] == list((await states(store)).values())


@asynccontextmanager
async def nothing(_: Tools) -> AsyncIterator[None]:
    """Dispatch nothing."""
    yield


# --- leases ----------------------------------------------------------------------------------


async def test_claim_when_two_ask_then_one_has_it_until_the_lease_lapses(
    store: Store, sink: WebHookSink
) -> None:
    await add_queues(store, {"q": to_hook(sink)})

    async def claimed(owner: str, now_ns: int) -> bool:
        until_ns = now_ns + 15 * SECOND
        asking = partial(claim, names=[NAME], owner=owner, now_ns=now_ns, lease_until_ns=until_ns)
        return bool(await store.write(asking))

    found = await asyncio.gather(*(claimed(f"process-{each}", NOW_NS) for each in range(6)))
    (first,) = [index for index, has_it in enumerate(found) if has_it]
    assert await claimed(f"process-{first}", NOW_NS + 1)
    assert not await claimed("other", NOW_NS + 15 * SECOND)
    assert await claimed("other", NOW_NS + 15 * SECOND + 2)
    assert set() == await store.write(
        partial(renew, names=[NAME], owner=f"process-{first}", lease_until_ns=2 * NOW_NS)
    )


async def test_due_when_others_have_leased_then_not_among_them(
    store: Store, sink: WebHookSink
) -> None:
    await add_queues(store, dict.fromkeys("abcd", to_hook(sink)))
    await place(store, "sale-1")
    await change(store, export_lane, "a", owner="us", lease_until_ns=NOW_NS + 1)
    await change(store, export_lane, "b", owner="other", lease_until_ns=NOW_NS + 1)
    await change(store, export_lane, "c", owner="other", lease_until_ns=NOW_NS - 1)
    await change(store, export_lane, "d", owner="", lease_until_ns=NOW_NS - 2)

    find = partial(find_due, now_ns=NOW_NS, owner="us", count=9)

    # Who has waited longest comes first.
    assert ["d", "c"] == [each.queue_id for each in await store.read(find)]
    names = [QueueName(ACCOUNT, each) for each in "abc"]
    among = await store.read(partial(find, names=names))
    assert ["c", "a"] == [each.queue_id for each in among]


async def test_leases_when_of_the_former_life_then_void_at_the_start(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink)})
    await change(store, export_lane, "q", owner="life-1", lease_until_ns=NOW_NS + 15 * SECOND)
    await place(store, "sale-1")

    async with running(store, Dispatch(clock, owner="life-2", is_alone=True, pace=UNPOLLED)):
        await until_ended(store)


async def test_leases_when_of_another_process_then_taken_over_when_they_lapse(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink), "other": to_hook(sink, "/other")})
    await change(store, export_lane, "q", owner="first", lease_until_ns=NOW_NS + 15 * SECOND)
    await place(store, *keys(3))

    async with running(store, Dispatch(clock, owner="second")):
        await until_ended(store, "other")
        clock.forward(15)
        await place(store, *keys(1, 4))
        await until_ended(store, "other")
        assert ["waiting"] * 4 == list((await states(store)).values())
        clock.forward(0.1)
        await until_ended(store)


async def test_leases_when_the_process_ends_in_good_order_then_given_back(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink)})
    await place(store, *keys(3))

    async with running(store, Dispatch(clock, pace=UNPOLLED)):
        await until_ended(store)
        assert "process-1" == (await lane_row(store))["owner"]
        # Leased, when the end came before there was a lane for it.
        await add_queues(store, {"leased": to_hook(sink), "other": to_hook(sink)})
        await change(store, export_lane, "leased", owner="process-1", lease_until_ns=2 * NOW_NS)
        await change(store, export_lane, "other", owner="process-2", lease_until_ns=2 * NOW_NS)

    owners = {row["queue_id"]: row["owner"] for row in await rows(store, export_lane)}
    assert {"q": "", "leased": "", "other": "process-2"} == owners


@pytest.mark.parametrize("order", [Order.NONE, Order.STRICT])
async def test_owner_when_its_lease_is_gone_then_makes_no_further_attempt(
    store: Store, sink: WebHookSink, clock: StillClock, order: Order
) -> None:
    counted, transforms = AwayStore(store), GatedTransforms()
    await add_queues(store, {"q": to_hook(sink, order=order, concurrency=2)})
    await place(store, *keys(20))
    begun_count = 1 if order is Order.STRICT else 2
    async with running(counted, Dispatch(clock, transformer=transforms)):
        await transforms.begun(begun_count)
        await change(store, export_lane, "q", owner="other", lease_until_ns=2 * NOW_NS)
        # Two renewals, of which the second began after the change.
        await counted.written(3)
        transforms.let(20)
        await until_logged(store, begun_count)

    assert begun_count == len(sink.deliveries)
    assert "other" == (await lane_row(store))["owner"]


async def test_owner_when_it_cannot_renew_then_stops_by_itself_when_the_lease_lapses(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    transforms = GatedTransforms()
    pace = QUICK._replace(renewal_seconds=3_600, poll_seconds=3_600, linger_seconds=3_600)
    await add_queues(store, {"q": to_hook(sink, order=Order.STRICT)})
    await place(store, *keys(20))
    async with running(store, Dispatch(clock, transformer=transforms, pace=pace)):
        await transforms.begun(1)
        clock.forward(15)
        transforms.let(20)
        await until_logged(store, 1)
        await until_released(store)

    assert 1 == len(sink.deliveries)


async def test_processes_when_two_share_a_database_then_each_entry_once_and_in_order(
    postgres: Postgres, tmp_path: Path, sink: WebHookSink, clock: StillClock
) -> None:
    settings = StoreSettings(directory=tmp_path, url=postgres.emptied().render_as_string())
    queue_ids = [f"q{number}" for number in range(8)]
    strict = {each: to_hook(sink, f"/{each}", order=Order.STRICT) for each in queue_ids}
    async with open_store(settings) as first, open_store(settings) as second:
        await add_queues(first, strict)
        async with (
            running(first, Dispatch(clock, owner="first")),
            running(second, Dispatch(clock, owner="second")),
        ):
            for number in range(10):
                await place((first, second)[number % 2], *keys(6, 1 + 6 * number))
            await until_ended(first, *queue_ids)

    assert {1} == set(sink.identifiers().values())
    for each in queue_ids:
        bodies = [delivery.body for delivery in sink.deliveries if delivery.path == f"/{each}"]
        assert list(keys(60)) == [key for body in bodies for key in msgspec.json.decode(body)]


async def test_processes_when_one_is_killed_then_the_other_takes_over_when_its_leases_lapse(
    postgres: Postgres, tmp_path: Path, sink: WebHookSink, clock: StillClock
) -> None:
    settings = StoreSettings(directory=tmp_path, url=postgres.emptied().render_as_string())
    async with open_store(settings) as first, open_store(settings) as second:
        dead, transforms = AwayStore(first), GatedTransforms()
        await add_queues(first, {"q": to_hook(sink, order=Order.STRICT)})
        await place(first, *keys(10))
        async with running(dead, Dispatch(clock, owner="dead", transformer=transforms)):
            transforms.let(3)
            await until_logged(first, 3)
            # From here on it neither delivers nor says that it is alive.
            dead.is_away = True
            async with running(second, Dispatch(clock, owner="alive")):
                clock.forward(15.1)
                await until_ended(second)
            transforms.let(20)
            dead.is_away = False

    order = [key for each in sink.deliveries for key in msgspec.json.decode(each.body)]
    assert list(keys(10)) == list(dict.fromkeys(order))
    # What was under way when it died comes twice, with the same id.
    assert {*keys(1, 4)} >= {key for key in order if order.count(key) > 1}


async def test_recorded_when_looked_up_then_by_the_end_of_the_attempt(
    store: Store, sink: WebHookSink
) -> None:
    await add_queues(store, {"q": to_hook(sink)})
    await place(store, *keys(2))
    result = a_result(NAME, 1, keys(1)[0], ended_ns=NOW_NS)
    await store.write(partial(record, results=[result]))

    found = [
        await store.read(partial(is_recorded, results=[each]))
        for each in (
            result,
            result._replace(ended_ns=NOW_NS + 1),
            result._replace(entry_number=2),
            result._replace(name=QueueName(ACCOUNT, "none")),
        )
    ]

    assert [True, False, False, False] == found


async def test_lanes_when_one_has_work_for_long_then_another_gets_its_turn(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    queue_ids = ("q0", "q1")
    await add_queues(store, {each: to_hook(sink, f"/{each}", concurrency=1) for each in queue_ids})
    sink.decide = lambda _: Reply(delay_seconds=0.01)
    pace = QUICK._replace(lanes_max=1, linger_seconds=0.02)
    await place(store, *keys(60))
    async with running(store, Dispatch(clock, pace=pace)):
        await until_ended(store, *queue_ids)

    paths = [each.path for each in sink.deliveries]
    first, second = paths[0], ({"/q0", "/q1"} - {paths[0]}).pop()
    assert paths.index(second) < len(paths) - 1 - paths[::-1].index(first)


async def test_lanes_when_more_than_there_is_room_for_then_all_get_their_turn(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    queue_ids = [f"q{number}" for number in range(7)]
    await add_queues(store, {each: to_hook(sink, f"/{each}") for each in queue_ids})
    transforms = GatedTransforms()
    pace = QUICK._replace(lanes_max=2, linger_seconds=0.02)
    async with running(store, Dispatch(clock, pace=pace, transformer=transforms)):
        await place(store, *keys(30))
        transforms.let(7 * 30)
        await until_ended(store, *queue_ids)

    assert [30] * 7 == [len(sink.identifiers(f"/{each}")) for each in queue_ids]
