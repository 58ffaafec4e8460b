"""Dispatch by way of a broker: once, in order where asked for, shared among processes."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import msgspec
import nats
import pytest
from nats.js import JetStreamContext
from sqlalchemy import Connection

from server.exports.breaker import FAILURES_MAX
from server.exports.delivery_id import delivery_id
from server.exports.nats.due_rows import note_published
from server.exports.nats.names import subject_of
from server.exports.nats.settings import PREFIX_DEFAULT, NatsSettings
from server.exports.queue import Order, QueueState, RetryPreset, configuration_to_json
from server.storage import Store, StoreSettings, open_store
from server.storage.export_queues import delete_queue, lock_queue, set_state
from server.storage.export_tables import export_entry, export_lane, export_queue
from server.storage.exports import QueueName
from tests.support.databases import Postgres
from tests.support.exports import (
    ACCOUNT,
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
from tests.support.nats_dispatch import (
    EARLY,
    Counting,
    NatsLog,
    arrived_keys,
    by_nats,
    message_count,
    token,
    until_asked,
    until_consumed,
    until_empty,
    until_only_consumed,
    worker,
)
from tests.support.nats_server import NatsServer
from tests.support.web_hook_sink import Delivery, Hang, Reply, WebHookSink, web_hook_sink

STRICT = Order.STRICT


@pytest.fixture
def server() -> Iterator[NatsServer]:
    """Yield a running broker."""
    with NatsServer() as started:
        yield started


@pytest.fixture
def nats_settings(server: NatsServer) -> NatsSettings:
    """Return its settings."""
    return by_nats(server)


@pytest.fixture
async def broker(server: NatsServer) -> AsyncIterator[JetStreamContext]:
    """Yield a look at what it has."""
    client = await nats.connect(server.url)
    yield client.jetstream()
    await client.close()


@pytest.fixture
async def sqlite_store(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Store]:
    """Yield a store of one process, for what does not depend on the database."""
    directory = tmp_path / "data"
    directory.mkdir()
    shutil.copy(sqlite_template, directory)
    async with open_store(StoreSettings(directory=directory)) as opened:
        yield opened


@pytest.fixture
async def sink() -> AsyncIterator[WebHookSink]:
    """Yield an endpoint that takes everything."""
    async with web_hook_sink() as opened:
        yield opened


@pytest.fixture
async def stores(postgres: Postgres, tmp_path: Path) -> AsyncIterator[tuple[Store, Store]]:
    """Yield the stores of two processes that share a database."""
    settings = StoreSettings(directory=tmp_path, url=postgres.emptied().render_as_string())
    async with open_store(settings) as one, open_store(settings) as two:
        yield one, two


def to_state(connection: Connection, *, state: QueueState) -> None:
    """Pause or resume the queue as its service does."""
    set_state(connection, lock_queue(connection, QueueName(ACCOUNT, "q")), state)


def drop(connection: Connection) -> None:
    """Delete the queue, with what waits in it, as its service does."""
    delete_queue(connection, lock_queue(connection, QueueName(ACCOUNT, "q")), is_dropping=True)


# --- the good case ---------------------------------------------------------------------------


async def test_delivery_when_placed_then_once_and_the_stream_is_empty(
    store: Store, sink: WebHookSink, nats_settings: NatsSettings, broker: JetStreamContext
) -> None:
    await add_queues(store, {"q": to_hook(sink), "s": to_hook(sink, "/s", order=STRICT)})
    async with running(store, worker(nats_settings)):
        await place(store, *keys(60))
        await until_ended(store, "q", "s")
        await until_empty(broker)

    expected = {delivery_id(ACCOUNT, each, number): 1 for each in "qs" for number in range(1, 61)}
    assert expected == sink.identifiers()
    assert list(keys(60)) == arrived_keys(sink, "/s")
    assert [(key, "delivered", 200) for key in keys(60)] == await outcomes(store, "s")


async def test_delivery_when_ids_hold_anything_then_made(
    sqlite_store: Store, sink: WebHookSink, nats_settings: NatsSettings
) -> None:
    names = ("a.b.*", ">", "ø \N{SNOWMAN}", "a/b")
    await add_queues(sqlite_store, {each: to_hook(sink) for each in names})
    async with running(sqlite_store, worker(nats_settings)):
        await place(sqlite_store, "sale-1")
        await until_ended(sqlite_store, *names)

    assert {delivery_id(ACCOUNT, each, 1): 1 for each in names} == sink.identifiers()


async def test_message_when_published_then_without_what_is_exported(
    sqlite_store: Store, sink: WebHookSink, nats_settings: NatsSettings, broker: JetStreamContext
) -> None:
    await add_queues(sqlite_store, {"q": to_hook(sink, retry=RetryPreset.NONE)})
    sink.script("/hook", Hang())
    async with running(sqlite_store, worker(nats_settings)):
        await place(sqlite_store, "sale-1")
        await sink.arrived(1)
        subject = subject_of(PREFIX_DEFAULT, token(), 1)
        message = await broker.get_last_msg(PREFIX_DEFAULT, subject)
        for connection in tuple(sink.connections):
            connection.abort()

    assert b'{"account":"ours","queue":"q","entry_number":1}' == message.data


async def test_queue_when_made_while_running_then_consumed(
    sqlite_store: Store, sink: WebHookSink, nats_settings: NatsSettings
) -> None:
    async with running(sqlite_store, worker(nats_settings)):
        await add_queues(sqlite_store, {"q": to_hook(sink)})
        await place(sqlite_store, "sale-1")
        await until_ended(sqlite_store)

    assert ["sale-1"] == arrived_keys(sink)


async def test_batch_when_its_trigger_fires_then_delivered_without_a_message(
    sqlite_store: Store, sink: WebHookSink, nats_settings: NatsSettings, broker: JetStreamContext
) -> None:
    await add_queues(sqlite_store, {"q": by_cron(sink)})
    await place(sqlite_store, *keys(3))
    await change(sqlite_store, export_lane, "q", due_ns=1)
    async with running(sqlite_store, worker(nats_settings)):
        await until_ended(sqlite_store)
        assert 0 == (await broker.stream_info(PREFIX_DEFAULT)).state.last_seq

    (delivery,) = sink.deliveries
    assert list(keys(3)) == list(msgspec.json.decode(delivery.body))


async def test_trigger_when_it_becomes_real_time_then_entries_are_told(
    sqlite_store: Store, sink: WebHookSink, nats_settings: NatsSettings
) -> None:
    await add_queues(sqlite_store, {"q": by_cron(sink)})
    async with running(sqlite_store, worker(nats_settings)):
        await place(sqlite_store, *keys(3))

        async def is_planned() -> bool:
            return (await lane_row(sqlite_store))["due_ns"] is not None

        await until(is_planned)
        text = configuration_to_json(to_hook(sink))
        await change(sqlite_store, export_queue, "q", configuration=text, revision=2)
        await change(sqlite_store, export_lane, "q", due_ns=None)
        await until_ended(sqlite_store)

    assert list(keys(3)) == sorted(arrived_keys(sink))


# --- failures --------------------------------------------------------------------------------


async def test_retry_when_it_fails_then_the_same_id_until_the_last_attempt(
    store: Store, sink: WebHookSink, nats_settings: NatsSettings, broker: JetStreamContext
) -> None:
    await add_queues(store, {"q": to_hook(sink)})
    sink.script("/hook", Reply(503))
    async with running(store, worker(nats_settings)):
        await place(store, "sale-1")
        await until_ended(store)
        await until_empty(broker)

    assert {delivery_id(ACCOUNT, "q", 1): 5} == sink.identifiers()
    assert [("sale-1", "retried", 503)] * 4 + [("sale-1", "failed", 503)] == await outcomes(store)


async def test_entry_when_attempted_before_it_is_noted_as_told_then_told_again(
    store: Store, sink: WebHookSink
) -> None:
    await add_queues(store, {"q": to_hook(sink)})
    await place(store, *keys(2))
    # The first one has failed meanwhile, and is to be tried again.
    await store.write(
        lambda connection: connection.execute(
            export_entry.update().where(export_entry.c.entry_number == 1).values(not_before_ns=8)
        )
    )
    noting = partial(note_published, name=QueueName(ACCOUNT, "q"), read_ns=7, until_ns=9)
    await store.write(partial(noting, entry_numbers=[1, 2]))

    assert [0, 9] == [row["published_until_ns"] for row in await rows(store, export_entry)]


async def test_order_when_attempts_fail_then_nothing_overtakes(
    store: Store, sink: WebHookSink, nats_settings: NatsSettings
) -> None:
    def every_third_fails(delivery: Delivery) -> Reply:
        return Reply(200 if delivery.arrival_index % 3 else 503)

    await add_queues(store, {"q": to_hook(sink, order=STRICT)})
    sink.decide = every_third_fails
    async with running(store, worker(nats_settings)):
        await place(store, *keys(20))
        await until_ended(store)

    arrived = arrived_keys(sink)
    assert sorted(arrived) == arrived
    assert list(keys(20)) == list(dict.fromkeys(arrived))
    assert 30 == len(arrived)


async def test_order_when_the_first_message_is_lost_then_a_later_one_attempts_both(
    sqlite_store: Store, sink: WebHookSink, nats_settings: NatsSettings
) -> None:
    await add_queues(sqlite_store, {"q": to_hook(sink, order=STRICT)})
    await place(sqlite_store, *keys(3))
    later_ns = time.time_ns() + 3_600 * 10**9
    lost = export_entry.update().where(export_entry.c.entry_number == 1)
    await sqlite_store.write(
        lambda connection: connection.execute(lost.values(published_until_ns=later_ns))
    )
    async with running(sqlite_store, worker(nats_settings)):
        await until_ended(sqlite_store)

    assert list(keys(3)) == arrived_keys(sink)


async def test_endpoint_when_it_is_gone_then_the_queue_is_disabled(
    sqlite_store: Store, sink: WebHookSink, nats_settings: NatsSettings
) -> None:
    await add_queues(sqlite_store, {"q": to_hook(sink, order=STRICT)})
    sink.script("/hook", Reply(410))
    async with running(sqlite_store, worker(nats_settings)):
        await place(sqlite_store, *keys(3))
        await until_logged(sqlite_store, 1)

    assert "disabled" == (await queue_row(sqlite_store))["state"]
    assert 1 == len(sink.deliveries)


async def test_endpoint_when_it_fails_often_then_it_is_left_alone(
    sqlite_store: Store, sink: WebHookSink, nats_settings: NatsSettings
) -> None:
    count = FAILURES_MAX + 5
    await add_queues(sqlite_store, {"q": to_hook(sink, concurrency=1, retry=RetryPreset.NONE)})
    sink.script("/hook", Reply(500))
    async with running(sqlite_store, worker(nats_settings)):
        await place(sqlite_store, *keys(count))
        await until_logged(sqlite_store, FAILURES_MAX)
        assert (await lane_row(sqlite_store))["closed_until_ns"] > time.time_ns()
        await asyncio.sleep(5 * EARLY.poll_seconds)
        assert FAILURES_MAX == len(sink.deliveries)
        sink.script("/hook", Reply())
        await change(sqlite_store, export_lane, "q", closed_until_ns=1)
        await until_ended(sqlite_store)

    assert count == len(sink.deliveries)
    assert 0 == (await lane_row(sqlite_store))["opened_count"]


async def test_message_when_it_is_of_somebody_else_then_removed_and_logged(
    sqlite_store: Store, sink: WebHookSink, nats_settings: NatsSettings, broker: JetStreamContext
) -> None:
    await add_queues(sqlite_store, {"q": to_hook(sink)})
    log = NatsLog()
    async with running(sqlite_store, worker(nats_settings, log=log)):
        await until_consumed(broker)
        await broker.publish(subject_of(PREFIX_DEFAULT, token(), 7), b"{}")
        await until_empty(broker)

    assert ["nats_foreign_message"] == log.errors
    assert [] == sink.deliveries


# --- what queues become ----------------------------------------------------------------------


async def test_queue_when_paused_then_no_attempt_until_it_is_resumed(
    store: Store, sink: WebHookSink, nats_settings: NatsSettings, broker: JetStreamContext
) -> None:
    await add_queues(store, {"q": to_hook(sink), "other": to_hook(sink, "/other")})
    async with running(store, worker(nats_settings)):
        await until_consumed(broker)
        await store.write(partial(to_state, state=QueueState.PAUSED))
        await asyncio.sleep(4 * EARLY.poll_seconds)
        await place(store, "sale-1")
        await until_ended(store, "other")
        assert [] == arrived_keys(sink)
        await store.write(partial(to_state, state=QueueState.ACTIVE))
        await until_ended(store)

    assert ["sale-1"] == arrived_keys(sink)


async def test_queue_when_deleted_then_the_broker_forgets_it(
    sqlite_store: Store, sink: WebHookSink, nats_settings: NatsSettings, broker: JetStreamContext
) -> None:
    configurations = {"q": to_hook(sink, concurrency=1), "other": to_hook(sink, "/other")}
    await add_queues(sqlite_store, configurations)
    sink.script("/hook", Hang())
    async with running(sqlite_store, worker(nats_settings)):
        await place(sqlite_store, *keys(5))
        await until_ended(sqlite_store, "other")
        await sink.arrived(6)
        await sqlite_store.write(drop)
        for connection in tuple(sink.connections):
            connection.abort()
        await until_only_consumed(broker, "other")
        await until_empty(broker)


async def test_queue_when_deleted_before_the_start_then_the_broker_forgets_it(
    sqlite_store: Store, sink: WebHookSink, nats_settings: NatsSettings, broker: JetStreamContext
) -> None:
    await add_queues(sqlite_store, {"q": to_hook(sink), "other": to_hook(sink, "/other")})
    async with running(sqlite_store, worker(nats_settings)):
        await until_consumed(broker)
        await until_consumed(broker, "other")
    await sqlite_store.write(drop)
    async with running(sqlite_store, worker(nats_settings)):
        await until_only_consumed(broker, "other")


async def test_queue_when_it_is_changed_then_its_consumer_is(
    sqlite_store: Store, sink: WebHookSink, nats_settings: NatsSettings, broker: JetStreamContext
) -> None:
    await add_queues(sqlite_store, {"q": to_hook(sink, concurrency=3)})
    async with running(sqlite_store, worker(nats_settings)):
        assert 3 == (await until_consumed(broker)).config.max_ack_pending
        text = configuration_to_json(to_hook(sink, order=STRICT))
        await change(sqlite_store, export_queue, "q", configuration=text, revision=2)

        async def is_changed() -> bool:
            return (await until_consumed(broker)).config.max_ack_pending == 1

        await until(is_changed)
        await place(sqlite_store, *keys(10))
        await until_ended(sqlite_store)

    assert list(keys(10)) == arrived_keys(sink)


# --- bounds ----------------------------------------------------------------------------------


async def test_broker_when_a_queue_is_slow_then_told_of_so_many_at_a_time(
    sqlite_store: Store, sink: WebHookSink, nats_settings: NatsSettings, broker: JetStreamContext
) -> None:
    await add_queues(sqlite_store, {"q": to_hook(sink, concurrency=2)})
    sink.script("/hook", Hang(), Hang(), Reply())
    timings = EARLY._replace(published_max=5)
    async with running(sqlite_store, worker(nats_settings, timings=timings)):
        await place(sqlite_store, *keys(20))
        await sink.arrived(2)

        async def is_told() -> bool:
            return await message_count(broker) == 5

        await until(is_told)
        await asyncio.sleep(4 * EARLY.poll_seconds)
        assert await is_told()
        for connection in tuple(sink.connections):
            connection.abort()
        await until_ended(sqlite_store)

    assert {delivery_id(ACCOUNT, "q", number): 1 for number in range(1, 21)} == sink.identifiers()


async def test_attempt_when_it_takes_longer_than_the_broker_waits_then_nobody_else_makes_it(
    stores: tuple[Store, Store], sink: WebHookSink, nats_settings: NatsSettings
) -> None:
    one, two = stores
    await add_queues(one, {"q": to_hook(sink)})
    sink.script("/hook", Reply(delay_seconds=3.5), Reply())
    timings = EARLY._replace(ack_wait_seconds=1.5)
    async with (
        running(one, worker(nats_settings, timings=timings)),
        running(two, worker(nats_settings, "process-2", timings=timings)),
    ):
        await place(one, "sale-1")
        await until_ended(one)

    assert ["sale-1"] == arrived_keys(sink)


async def test_end_when_an_attempt_is_under_way_then_it_is_finished_and_acknowledged(
    sqlite_store: Store, sink: WebHookSink, nats_settings: NatsSettings, broker: JetStreamContext
) -> None:
    await add_queues(sqlite_store, {"q": to_hook(sink, concurrency=1)})
    sink.script("/hook", Reply(delay_seconds=1.0))
    async with running(sqlite_store, worker(nats_settings)):
        await place(sqlite_store, *keys(2))
        await sink.arrived(1)

    assert {"sale-0001": "delivered", "sale-0002": "waiting"} == await states(sqlite_store)
    assert 1 == await message_count(broker)


# --- several processes -----------------------------------------------------------------------


async def test_workers_when_two_then_they_share_a_queue(
    stores: tuple[Store, Store],
    sink: WebHookSink,
    nats_settings: NatsSettings,
    broker: JetStreamContext,
) -> None:
    one, two = stores
    counters = Counting(), Counting()
    await add_queues(one, {"q": to_hook(sink, concurrency=4)})
    sink.script("/hook", Reply(delay_seconds=0.005))
    async with (
        running(one, worker(nats_settings, transformer=counters[0])),
        running(two, worker(nats_settings, "process-2", transformer=counters[1])),
    ):
        await until_asked(broker, count=2)
        assert 4 == (await until_consumed(broker)).config.max_ack_pending
        await place(one, *keys(150))
        await until_ended(one)

    assert {delivery_id(ACCOUNT, "q", number): 1 for number in range(1, 151)} == sink.identifiers()
    assert min(each.count for each in counters) > 0


async def test_order_when_two_workers_then_kept(
    stores: tuple[Store, Store],
    sink: WebHookSink,
    nats_settings: NatsSettings,
    broker: JetStreamContext,
) -> None:
    one, two = stores
    counters = Counting(), Counting()
    await add_queues(one, {"q": to_hook(sink, order=STRICT)})
    async with (
        running(one, worker(nats_settings, transformer=counters[0])),
        running(two, worker(nats_settings, "process-2", transformer=counters[1])),
    ):
        await until_asked(broker, count=2)
        await place(one, *keys(60))
        await until_ended(one)

    assert list(keys(60)) == arrived_keys(sink)
    assert min(each.count for each in counters) > 0
