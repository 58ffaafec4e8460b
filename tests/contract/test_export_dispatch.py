"""Dispatch in real time: at once, in order where asked for, each queue by itself, never lost."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import msgspec
import pytest

from server.exports.attempts import Transformer
from server.exports.delivery_id import delivery_id
from server.exports.queue import Order, RetryPreset, WebHook
from server.exports.sandbox import SandboxUnavailable
from server.exports.transforms.job import Job, Made, TransformError, wrapped
from server.storage import Store
from server.storage.export_tables import export_entry, export_log
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
)
from tests.support.web_hook_sink import Hang, Reply, Reset, WebHookSink, web_hook_sink

STRICT = Order.STRICT


@pytest.fixture
async def sink() -> AsyncIterator[WebHookSink]:
    """Yield an endpoint that takes everything."""
    async with web_hook_sink() as opened:
        yield opened


@pytest.fixture
def clock() -> StillClock:
    """Return a clock that stands still."""
    return StillClock()


def arrived_keys(sink: WebHookSink, path: str = "/hook") -> list[str]:
    """Return the element keys that have arrived at a path, in their order."""
    bodies = [each.body for each in sink.deliveries if each.path == path]
    return [key for body in bodies for key in msgspec.json.decode(body)]


async def test_delivery_when_placed_then_a_dictionary_of_one_by_its_key(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink)})
    async with running(store, Dispatch(clock)):
        await place(store, "sale-1", "sale-2")
        await until_ended(store)

    assert [b'{"sale-1":{"id":"sale-1"}}', b'{"sale-2":{"id":"sale-2"}}'] == sorted(
        each.body for each in sink.deliveries
    )
    assert {delivery_id(ACCOUNT, "q", number) for number in (1, 2)} == set(sink.identifiers())
    assert {"sale-1": "delivered", "sale-2": "delivered"} == await states(store)


async def test_first_attempt_when_committed_then_without_a_poll(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink)})
    async with running(store, Dispatch(clock, pace=UNPOLLED)):
        # The first one is announced to nobody's lane, the others to the lane that lingers.
        for number in range(1, 5):
            await place(store, f"sale-{number}")
            await sink.arrived(number)

    assert 4 == len(sink.deliveries)


async def test_first_attempt_when_placed_before_the_start_then_at_the_start(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink)})
    await place(store, *keys(200))

    async with running(store, Dispatch(clock, pace=UNPOLLED)):
        await until_ended(store)

    assert list(keys(200)) == sorted(arrived_keys(sink))


async def test_retry_when_it_fails_then_the_same_id_at_every_wait_of_the_table(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink)})
    sink.script("/hook", Reply(503))
    waits = (5, 60, 300, 1_800)
    async with running(store, Dispatch(clock)):
        await place(store, "sale-1")
        for number, wait in enumerate(waits, 1):
            await until_logged(store, number)
            (entry,) = await rows(store, export_entry)
            assert (number, clock() + wait * SECOND) == (
                entry["attempt_count"],
                entry["not_before_ns"],
            )
            clock.forward(wait)
        await until_ended(store)

    assert [("sale-1", "retried", 503)] * 4 + [("sale-1", "failed", 503)] == await outcomes(store)
    assert {delivery_id(ACCOUNT, "q", 1): 5} == sink.identifiers()
    assert [1, 2, 3, 4, 5] == [row["attempt_number"] for row in await rows(store, export_log)]


async def test_retry_when_it_is_not_yet_due_then_no_attempt(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink)})
    sink.script("/hook", Reply(503), Reply())
    async with running(store, Dispatch(clock)):
        await place(store, "sale-1")
        await until_logged(store, 1)
        clock.forward(4.999)
        # An entry that came later is delivered meanwhile, so the queue was looked at.
        await place(store, "sale-2")
        await until_logged(store, 2)
        assert 2 == len(sink.deliveries)
        clock.forward(0.001)
        await until_ended(store)

    assert ["sale-1", "sale-2", "sale-1"] == arrived_keys(sink)


async def test_standard_webhooks_when_all_fail_then_ten_attempts_in_seventy_five_hours(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink, retry=RetryPreset.STANDARD_WEBHOOKS)})
    sink.script("/hook", Reply(500))
    async with running(store, Dispatch(clock)):
        await place(store, "sale-1")
        for number in range(1, 10):
            await until_logged(store, number)
            (entry,) = await rows(store, export_entry)
            clock.now_ns = entry["not_before_ns"]
        await until_ended(store)

    assert {delivery_id(ACCOUNT, "q", 1): 10} == sink.identifiers()
    assert NOW_NS + (75 * 3_600 + 35 * 60 + 5) * SECOND == clock()


async def test_retry_after_when_the_endpoint_asks_then_honoured(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink)})
    sink.script("/hook", Reply(503, headers=("Retry-After: 700",)), Reply())
    async with running(store, Dispatch(clock)):
        await place(store, "sale-1")
        await until_logged(store, 1)
        (entry,) = await rows(store, export_entry)

    assert NOW_NS + 700 * SECOND == entry["not_before_ns"]


async def test_order_when_none_then_a_retry_does_not_block_what_follows(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink, concurrency=1)})
    sink.script("/hook", Reply(503), Reply())
    async with running(store, Dispatch(clock)):
        await place(store, *keys(5))
        await until_logged(store, 5)
        clock.forward(5)
        await until_ended(store)

    assert [*keys(5), keys(1)[0]] == arrived_keys(sink)


async def test_order_when_strict_then_a_retry_blocks_its_own_queue_only(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    strict = to_hook(sink, "/strict", order=STRICT)
    await add_queues(store, {"strict": strict, "other": to_hook(sink, "/other", order=STRICT)})
    sink.script("/strict", Reply(), Reply(503), Reply(503), Reply())
    async with running(store, Dispatch(clock)):
        await place(store, *keys(6))
        await until_ended(store, "other")
        await until_logged(store, 2, "strict")
        blocked = await states(store, "strict")
        for wait, count in ((5, 3), (60, 7)):
            clock.forward(wait)
            await until_logged(store, count, "strict")

    assert ["delivered", *["waiting"] * 5] == list(blocked.values())
    first, second, *others = keys(6)
    assert [first, second, second, second, *others] == arrived_keys(sink, "/strict")


async def test_order_when_strict_and_one_fails_for_good_then_the_next_ones(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink, order=STRICT)})
    sink.script("/hook", Reply(), Reply(400), Reply())
    async with running(store, Dispatch(clock)):
        await place(store, *keys(4))
        await until_ended(store)

    assert list(keys(4)) == arrived_keys(sink)
    assert ["delivered", "failed", "delivered", "delivered"] == list((await states(store)).values())


async def test_order_when_strict_and_answers_are_slow_then_one_at_a_time(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink, order=STRICT, concurrency=8)})
    sink.script("/hook", Reply(delay_seconds=0.01))
    async with running(store, Dispatch(clock)):
        await place(store, *keys(10))
        await until_ended(store)

    assert list(keys(10)) == arrived_keys(sink)
    assert {0} == {each.connection_index for each in sink.deliveries}


async def test_order_when_strict_and_started_again_and_again_then_kept(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink, order=STRICT)})
    await place(store, *keys(120))
    for life in range(1, 4):
        async with running(store, Dispatch(clock, owner=f"life-{life}", is_alone=True)):
            await sink.arrived(30 * life)
    async with running(store, Dispatch(clock, owner="last", is_alone=True)):
        await until_ended(store)

    assert list(keys(120)) == arrived_keys(sink)


async def test_fairness_when_one_of_ten_endpoints_hangs_then_the_others_end_before_it(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    paths = [f"/{number}" for number in range(10)]
    await add_queues(store, {path[1:]: to_hook(sink, path) for path in paths})
    sink.script("/0", Hang())
    async with running(store, Dispatch(clock, pace=QUICK._replace(grace_seconds=0.01))):
        await place(store, *keys(40))
        await until_ended(store, *(path[1:] for path in paths[1:]))
        # As many as the queue has places, and none has ended.
        assert 8 == len(arrived_keys(sink, "/0"))
        assert ["waiting"] * 40 == list((await states(store, "0")).values())

    assert [40] * 9 == [len(arrived_keys(sink, path)) for path in paths[1:]]


async def test_concurrency_when_answers_are_slow_then_as_many_connections(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink, concurrency=3)})
    sink.script("/hook", Reply(delay_seconds=0.01))
    async with running(store, Dispatch(clock)):
        await place(store, *keys(30))
        await until_ended(store)

    assert 3 == sink.connections_count
    assert {1} == set(sink.identifiers().values())


async def test_rate_when_a_queue_has_one_then_no_more_attempts_begin(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    moments: list[float] = []

    def decide(_: object) -> Reply:
        moments.append(asyncio.get_running_loop().time())
        return Reply()

    sink.decide = decide
    await add_queues(store, {"q": to_hook(sink, rate_per_second=20)})
    async with running(store, Dispatch(clock)):
        begin = asyncio.get_running_loop().time()
        await place(store, *keys(24))
        await until_ended(store)

    # The first twenty may come at once; the others twenty a second.
    assert moments[-1] - begin >= 4 / 20


@pytest.mark.parametrize("answer", [Reset(), Hang()])
async def test_attempt_when_there_is_no_answer_then_tried_again_if_the_table_says_so(
    store: Store, sink: WebHookSink, clock: StillClock, answer: Reset | Hang
) -> None:
    hook = WebHook(url=sink.url(), timeout_ns=100_000_000)
    await add_queues(
        store,
        {"q": msgspec.structs.replace(to_hook(sink), delivery=hook)},
    )
    sink.script("/hook", answer, Reply())
    async with running(store, Dispatch(clock)):
        await place(store, "sale-1")
        await until_logged(store, 1)

    assert ["retried" if isinstance(answer, Hang) else "failed"] == [
        outcome for _, outcome, _ in await outcomes(store)
    ]


class Transforms:
    """Transforms that fail for keys that say so."""

    async def transform(self, job: Job) -> Made:
        """Wrap the elements, or do what the key says."""
        match job.elements[0].key:
            case "bad":
                raise TransformError("line 1: expected a value")
            case "odd":
                raise TransformError("a\0b\udc80" + "c" * 2_000)
            case "nothing":
                return Made(body=None, content_type="", extension="")
            case "defect":
                raise ZeroDivisionError
        return Made(body=wrapped(job.elements), content_type="application/json", extension=".json")


async def test_transform_when_it_fails_then_the_failure_log_and_the_next_one(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    transformer: Transformer = Transforms()
    log = Log()
    await add_queues(store, {"q": to_hook(sink, retry=RetryPreset.STANDARD_WEBHOOKS)})
    async with running(store, Dispatch(clock, transformer=transformer, log=log)):
        await place(store, "bad", "nothing", "defect", "odd", "good")
        await until_ended(store)
        log.expected("export_defect")

    found_states = list((await states(store)).values())
    assert ["failed", "delivered", "failed", "failed", "delivered"] == found_states
    assert ["good"] == arrived_keys(sink)
    log_rows = await rows(store, export_log)
    found = {row["element_key"]: (row["failure"], row["error"]) for row in log_rows}
    assert ("transform", "line 1: expected a value") == found["bad"]
    assert ("transform", "a\ufffdb?" + "c" * 996) == found["odd"]
    assert ("defect", "the server made a mistake: ZeroDivisionError") == found["defect"]


class OutOfOrder:
    """A sandbox that cannot start a child for a while."""

    def __init__(self) -> None:
        self.is_out_of_order = True

    async def transform(self, job: Job) -> Made:
        """Wrap the elements once it is in order."""
        if self.is_out_of_order:
            raise SandboxUnavailable("no process for transforms could be started")
        return await Transforms().transform(job)


async def test_sandbox_when_it_cannot_start_then_the_entry_waits_without_an_attempt(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    transformer, log = OutOfOrder(), Log()
    await add_queues(store, {"q": to_hook(sink), "other": to_hook(sink, "/other")})
    async with running(store, Dispatch(clock, transformer=transformer, log=log)):
        await place(store, "sale-1")

        async def is_released() -> bool:
            return len(log.defects) == 2 and (await lane_row(store))["owner"] == ""

        await until(is_released)
        log.expected("export_lane_failed")
        transformer.is_out_of_order = False
        clock.forward(60)
        await until_ended(store, "q", "other")

    assert [("sale-1", "delivered", 200)] == await outcomes(store)


async def test_entry_when_it_ends_while_the_lane_reads_then_not_delivered_again(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    slow, transforms = AwayStore(store), GatedTransforms()
    await add_queues(store, {"q": to_hook(sink)})

    async def is_held() -> bool:
        return slow.held_count > 0

    async with running(slow, Dispatch(clock, transformer=transforms)):
        await place(store, "sale-1")
        await transforms.begun(1)
        slow.hold()
        await place(store, "sale-2")
        # What is read has the first one as waiting, and is looked at when it has ended.
        await until(is_held)
        transforms.let(1)
        await until_logged(store, 1)
        slow.let()
        await transforms.begun(2)
        transforms.let(9)
        await until_ended(store)

    assert {1} == set(sink.identifiers().values())


async def test_log_when_attempts_end_then_numbered_without_gaps_in_each_queue(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"a": to_hook(sink), "b": to_hook(sink)})
    async with running(store, Dispatch(clock)):
        await place(store, *keys(150))
        await until_ended(store, "a", "b")

    for queue_id in ("a", "b"):
        numbers = [
            row["log_number"]
            for row in await rows(store, export_log)
            if row["queue_id"] == queue_id
        ]
        assert 150 == len(numbers)
        assert {1} == {after - before for before, after in pairwise(numbers)}
