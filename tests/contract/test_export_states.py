"""Dispatch while endpoints fail and queues are changed: nothing is lost or sent twice."""

from collections.abc import AsyncIterator
from functools import partial

import msgspec
import pytest
from sqlalchemy import Connection

from server.exports.queue import Configuration, Order, QueueState
from server.exports.secrets import SecretBox, new_key
from server.storage import Store
from server.storage.export_lanes import disable
from server.storage.export_queues import (
    delete_queue,
    get_queue,
    lock_queue,
    queue_of,
    set_state,
    update_queue,
)
from server.storage.export_tables import export_entry, export_log, export_queue
from server.storage.exports import QueueName
from tests.support.exports import (
    ACCOUNT,
    KEY,
    NOW_NS,
    Dispatch,
    GatedTransforms,
    Log,
    StillClock,
    add_queues,
    change,
    keys,
    lane_row,
    place,
    queue_row,
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


def changed_to(connection: Connection, configuration: Configuration) -> None:
    """Change the configuration of the queue, as the service does."""
    known = lock_queue(connection, NAME)
    queue = msgspec.structs.replace(queue_of(known), configuration=configuration)
    update_queue(connection, known, queue, sealed=None, is_endpoint_new=True, now_ns=NOW_NS)


async def change_state(store: Store, state: QueueState) -> None:
    """Pause or resume the queue, as the service does."""
    await store.write(lambda connection: set_state(connection, lock_queue(connection, NAME), state))


async def until_state(store: Store, state: str) -> None:
    """Wait until the queue is in a state, and nobody dispatches it."""

    async def is_so() -> bool:
        return (await queue_row(store))["state"] == state and not (await lane_row(store))["owner"]

    await until(is_so)


# --- the breaker -----------------------------------------------------------------------------


async def test_breaker_when_twenty_fail_in_a_row_then_no_attempt_for_half_a_minute(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink, "/q", concurrency=1)})
    sink.script("/q", Reply(500))
    async with running(store, Dispatch(clock)):
        await place(store, *keys(40))
        await until_logged(store, 20)
        await until_released(store)
        clock.forward(29.9)
        # Another queue is dispatched meanwhile, so this one was looked at.
        await add_queues(store, {"other": to_hook(sink, "/other")})
        await place(store, *keys(1, 41))
        await until_ended(store, "other")
        assert 20 == len(sink.identifiers("/q"))
        assert ["failed"] * 20 + ["waiting"] * 21 == list((await states(store)).values())
        # One probe after 30, 60 and 120 seconds more.
        for pause, probes in ((0.1, 1), (60, 2), (120, 3)):
            clock.forward(pause)
            await until_logged(store, 20 + probes)
            await until_released(store)
            assert 20 + probes == len(sink.identifiers("/q"))
        sink.script("/q", Reply())
        clock.forward(240)
        await until_ended(store)

    assert 41 == len(sink.identifiers("/q"))
    assert {1} == {row["attempt_count"] for row in await rows(store, export_entry)}
    lane = await lane_row(store)
    assert (0, 0, 0) == (lane["failure_count"], lane["opened_count"], lane["closed_until_ns"])


async def test_breaker_when_attempts_are_side_by_side_then_only_those_under_way_beyond_twenty(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink, concurrency=8)})
    sink.script("/hook", Reply(500, delay_seconds=0.01))
    async with running(store, Dispatch(clock)):
        await place(store, *keys(60))
        await until_logged(store, 20)
        await until_released(store)

        begun_count = len(sink.deliveries)
        assert 20 <= begun_count <= 27
        assert 1 == (await lane_row(store))["opened_count"]
        # A probe is made alone.
        clock.forward(30)
        await until_logged(store, begun_count + 1)
        await until_released(store)

    assert begun_count + 1 == len(sink.deliveries)


async def test_breaker_when_strict_then_the_same(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink, order=Order.STRICT)})
    sink.script("/hook", *[Reply(400)] * 20, Reply())
    async with running(store, Dispatch(clock)):
        await place(store, *keys(30))
        await until_logged(store, 20)
        await until_released(store)
        assert 20 == len(sink.deliveries)
        clock.forward(30)
        await until_ended(store)

    assert 30 == len(sink.deliveries)


async def test_breaker_when_the_process_ends_then_known_to_the_next_one(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink, concurrency=1)})
    sink.script("/hook", *[Reply(500)] * 20, Reply())
    async with running(store, Dispatch(clock, owner="first")):
        await place(store, *keys(21))
        await until_logged(store, 20)
    async with running(store, Dispatch(clock, owner="second")):
        await add_queues(store, {"other": to_hook(sink, "/other")})
        await place(store, *keys(1, 22))
        await until_ended(store, "other")
        assert 20 == len(sink.identifiers("/hook"))
        clock.forward(30)
        await until_ended(store)


async def test_gone_when_answered_then_disabled_and_the_rest_waits_until_resumed(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink, concurrency=1)})
    sink.script("/hook", Reply(), Reply(410), Reply())
    async with running(store, Dispatch(clock)):
        await place(store, *keys(5))
        await until_state(store, "disabled")
        assert 2 == len(sink.deliveries)
        assert "the endpoint answered 410 Gone" == (await queue_row(store))["state_reason"]
        await change_state(store, QueueState.ACTIVE)
        await until_ended(store)

    assert ["delivered", "failed", *["delivered"] * 3] == list((await states(store)).values())


# --- changes ---------------------------------------------------------------------------------


async def test_pause_when_entries_are_under_way_then_they_end_and_the_rest_waits(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    transforms = GatedTransforms()
    await add_queues(store, {"q": to_hook(sink, concurrency=2)})
    async with running(store, Dispatch(clock, transformer=transforms)):
        await place(store, *keys(20))
        await transforms.begun(2)
        await change_state(store, QueueState.PAUSED)
        # What is read ahead is read again after a while.
        clock.forward(1)
        transforms.let(21)
        await until_state(store, "paused")
        assert ["delivered"] * 2 + ["waiting"] * 18 == list((await states(store)).values())
        await place(store, *keys(1, 21))
        await change_state(store, QueueState.ACTIVE)
        await until_ended(store)

    assert {1} == set(sink.identifiers().values())
    assert 21 == len(sink.deliveries)


async def test_configuration_when_changed_under_way_then_the_rest_goes_by_the_new_one(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    transforms = GatedTransforms()
    await add_queues(store, {"q": to_hook(sink, "/old", concurrency=1)})
    async with running(store, Dispatch(clock, transformer=transforms)):
        await place(store, *keys(10))
        await transforms.begun(1)
        new = to_hook(sink, "/new", order=Order.STRICT)
        await store.write(partial(changed_to, configuration=new))
        clock.forward(1)
        transforms.let(10)
        await until_ended(store)

    assert 1 == len(sink.identifiers("/old"))
    assert list(keys(9, 2)) == [
        key
        for each in sink.deliveries
        if each.path == "/new"
        for key in msgspec.json.decode(each.body)
    ]


async def test_delete_when_entries_are_under_way_then_they_end_and_nothing_is_left(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    def work(connection: Connection) -> None:
        delete_queue(connection, lock_queue(connection, NAME), is_dropping=True)

    transforms = GatedTransforms()
    await add_queues(store, {"q": to_hook(sink, concurrency=2)})
    async with running(store, Dispatch(clock, transformer=transforms)):
        await place(store, *keys(20))
        await transforms.begun(2)
        await store.write(work)
        clock.forward(1)
        transforms.let(20)
        await sink.arrived(2)

    assert [] == await rows(store, export_log)
    assert 2 == len(sink.deliveries)


async def test_queue_when_made_anew_under_the_old_name_then_by_its_own_configuration(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    def work(connection: Connection) -> None:
        delete_queue(connection, lock_queue(connection, NAME), is_dropping=True)

    await add_queues(store, {"q": to_hook(sink, "/old")})
    async with running(store, Dispatch(clock)):
        await place(store, "sale-1")
        await until_ended(store)
        await store.write(work)
        await add_queues(store, {"q": to_hook(sink, "/new")})
        await place(store, "sale-2")
        await until_ended(store)

    # Its entries have ids that no delivery had before.
    assert ["/old", "/new"] == [each.path for each in sink.deliveries]
    assert {1} == set(sink.identifiers().values())


async def test_entry_when_sent_again_under_way_then_delivered_once_more_under_its_id(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    transforms = GatedTransforms()
    await add_queues(store, {"q": to_hook(sink)})
    async with running(store, Dispatch(clock, transformer=transforms)):
        await place(store, "sale-1")
        await transforms.begun(1)
        # As the service does when somebody sends it again.
        await change(store, export_entry, "q", generation=1, attempt_count=0)
        transforms.let(1)
        await until_logged(store, 1)
        assert {"sale-1": "waiting"} == await states(store)
        transforms.let(1)
        await until_ended(store)

    assert {2} == set(sink.identifiers().values())
    assert [(0, 1), (1, 1)] == [
        (row["generation"], row["attempt_number"]) for row in await rows(store, export_log)
    ]


async def test_secrets_when_they_open_then_used(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    sealed = SecretBox((KEY,)).seal({"header:Authorization": "Bearer secret-1"}, name=NAME)
    await add_queues(store, {"q": to_hook(sink)}, secrets=sealed)
    async with running(store, Dispatch(clock)):
        await place(store, "sale-1")
        await until_ended(store)

    assert "Bearer secret-1" == sink.deliveries[0].headers["authorization"]


async def test_secrets_when_they_cannot_be_opened_then_disabled_and_nothing_is_lost(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    log = Log()
    sealed = SecretBox((new_key(),)).seal({"url": sink.url()}, name=NAME)
    await add_queues(store, {"q": to_hook(sink)}, secrets=sealed)
    async with running(store, Dispatch(clock, log=log)):
        await place(store, *keys(3))
        await until_state(store, "disabled")

    reason = (await queue_row(store))["state_reason"]
    assert "expected secrets sealed with one of the keys" in reason
    assert ["export_queue_disabled"] == log.errors
    assert ["waiting"] * 3 == list((await states(store)).values())
    assert [] == sink.deliveries


async def test_configuration_when_of_another_version_then_disabled_and_nothing_is_lost(
    store: Store, sink: WebHookSink, clock: StillClock
) -> None:
    await add_queues(store, {"q": to_hook(sink), "other": to_hook(sink)})
    await change(store, export_queue, "q", configuration='{"delivery":{"type":"pigeon"}}')
    async with running(store, Dispatch(clock)):
        await place(store, *keys(3))
        await until_state(store, "disabled")
        await until_ended(store, "other")

    assert ["waiting"] * 3 == list((await states(store)).values())


async def test_disable_when_the_queue_was_mended_meanwhile_then_it_stays_active(
    store: Store, sink: WebHookSink
) -> None:
    await add_queues(store, {"q": to_hook(sink)})
    known = await store.read(partial(get_queue, name=NAME))
    await store.write(partial(changed_to, configuration=to_hook(sink, "/new")))

    await store.write(partial(disable, known=known, reason="it could not be read"))

    assert "active" == (await queue_row(store))["state"]
