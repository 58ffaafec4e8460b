"""Dispatch while the broker is away, forgets, or refuses: entries wait, and none is lost."""

import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
import trustme
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StreamConfig

from engine.errors import InvalidInput
from server.exports.nats.settings import PREFIX_DEFAULT, NatsSettings, check
from server.exports.queue import Order
from server.storage import Store, StoreSettings, open_store
from tests.support.exports import (
    add_queues,
    keys,
    place,
    running,
    states,
    to_hook,
    until,
    until_ended,
    until_logged,
)
from tests.support.nats_dispatch import (
    NatsLog,
    arrived_keys,
    by_nats,
    passed,
    until_consumed,
    worker,
)
from tests.support.nats_server import NatsServer
from tests.support.web_hook_sink import Reply, WebHookSink, web_hook_sink

STRICT = Order.STRICT


@pytest.fixture
def server() -> Iterator[NatsServer]:
    """Yield a running broker."""
    with NatsServer() as started:
        yield started


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


# --- away, and back --------------------------------------------------------------------------


async def test_broker_when_it_is_not_there_then_entries_wait_for_it(
    sqlite_store: Store, sink: WebHookSink, server: NatsServer
) -> None:
    await add_queues(sqlite_store, {"q": to_hook(sink)})
    server.stop()
    log = NatsLog()
    async with running(sqlite_store, worker(by_nats(server), log=log)):
        await place(sqlite_store, *keys(5))
        await passed(tries_count=10)
        assert [] == sink.deliveries
        server.start()
        await until_ended(sqlite_store)

    assert list(keys(5)) == sorted(arrived_keys(sink))
    assert ["nats_trouble", "nats_stream_made", "nats_available"] == log.told


async def test_broker_when_it_stops_for_a_while_then_everything_afterwards(
    store: Store, sink: WebHookSink, server: NatsServer
) -> None:
    await add_queues(store, {"q": to_hook(sink), "s": to_hook(sink, "/s", order=STRICT)})
    async with running(store, worker(by_nats(server))):
        await place(store, *keys(30))
        await until_logged(store, 1)
        server.stop()
        await place(store, *keys(30, 31))
        await passed(tries_count=5)
        server.start()
        await until_ended(store, "q", "s")

    assert list(keys(60)) == sorted(set(arrived_keys(sink)))
    assert list(keys(60)) == list(dict.fromkeys(arrived_keys(sink, "/s")))


async def test_broker_when_its_store_is_lost_then_no_entry_is(
    store: Store, sink: WebHookSink, server: NatsServer
) -> None:
    await add_queues(
        store, {"q": to_hook(sink, concurrency=2), "s": to_hook(sink, "/s", order=STRICT)}
    )
    sink.decide = lambda _: Reply(delay_seconds=0.02)
    async with running(store, worker(by_nats(server))):
        await place(store, *keys(40))
        await sink.arrived(10)
        server.kill()
        server.wipe()
        await place(store, *keys(5, 41))
        server.start()
        await until_ended(store, "q", "s")

    assert list(keys(45)) == sorted(set(arrived_keys(sink)))
    assert list(keys(45)) == list(dict.fromkeys(arrived_keys(sink, "/s")))
    # What was in hand may come twice, under its id: two of the one queue and one of the other.
    assert len(sink.deliveries) <= 90 + 3


async def test_broker_when_the_stream_is_removed_then_it_is_made_anew(
    sqlite_store: Store, sink: WebHookSink, server: NatsServer, broker: JetStreamContext
) -> None:
    await add_queues(sqlite_store, {"q": to_hook(sink)})
    async with running(sqlite_store, worker(by_nats(server))):
        await until_consumed(broker)
        await broker.delete_stream(PREFIX_DEFAULT)
        await place(sqlite_store, "sale-1")
        await until_ended(sqlite_store)

    assert ["sale-1"] == arrived_keys(sink)


async def test_broker_when_a_consumer_is_removed_then_it_is_made_anew(
    sqlite_store: Store, sink: WebHookSink, server: NatsServer, broker: JetStreamContext
) -> None:
    await add_queues(sqlite_store, {"q": to_hook(sink)})
    async with running(sqlite_store, worker(by_nats(server))):
        found = await until_consumed(broker)
        await broker.delete_consumer(PREFIX_DEFAULT, found.name)
        await place(sqlite_store, "sale-1")
        await until_ended(sqlite_store)

    assert ["sale-1"] == arrived_keys(sink)


async def test_broker_when_messages_are_lost_then_entries_are_told_again(
    sqlite_store: Store, sink: WebHookSink, server: NatsServer, broker: JetStreamContext
) -> None:
    await add_queues(sqlite_store, {"q": to_hook(sink, concurrency=1)})
    sink.script("/hook", Reply(delay_seconds=0.2), Reply())
    async with running(sqlite_store, worker(by_nats(server))):
        await place(sqlite_store, *keys(10))
        await sink.arrived(1)
        await broker.purge_stream(PREFIX_DEFAULT)
        await until_ended(sqlite_store)

    assert list(keys(10)) == sorted(set(arrived_keys(sink)))


# --- a stream of another version -------------------------------------------------------------


async def test_stream_when_it_has_other_limits_then_they_are_set(
    sqlite_store: Store, sink: WebHookSink, server: NatsServer, broker: JetStreamContext
) -> None:
    await add_queues(sqlite_store, {"q": to_hook(sink)})
    await broker.add_stream(
        StreamConfig(
            name=PREFIX_DEFAULT,
            subjects=[f"{PREFIX_DEFAULT}.*"],
            retention=RetentionPolicy.WORK_QUEUE,
        )
    )
    async with running(sqlite_store, worker(by_nats(server))):
        await place(sqlite_store, "sale-1")
        await until_ended(sqlite_store)

    assert 1 == (await broker.stream_info(PREFIX_DEFAULT)).config.max_msgs_per_subject


async def test_stream_when_it_is_none_of_work_then_logged_and_entries_wait(
    sqlite_store: Store, sink: WebHookSink, server: NatsServer, broker: JetStreamContext
) -> None:
    await add_queues(sqlite_store, {"q": to_hook(sink)})
    await broker.add_stream(StreamConfig(name=PREFIX_DEFAULT, subjects=["other.*"]))
    log = NatsLog()
    async with running(sqlite_store, worker(by_nats(server), log=log)):
        await place(sqlite_store, "sale-1")

        async def is_logged() -> bool:
            return bool(log.told)

        await until(is_logged)
        await passed(tries_count=5)

    assert {"sale-1": "waiting"} == await states(sqlite_store)
    assert ["nats_trouble"] == log.told


# --- who is there ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("authorization", "settings"),
    [
        ('token: "s3cret"', {"token": "s3cret"}),
        ('user: "till", password: "s3cret"', {"user": "till", "password": "s3cret"}),
    ],
)
async def test_broker_when_it_asks_who_is_there_then_told(
    sqlite_store: Store, sink: WebHookSink, authorization: str, settings: dict[str, Any]
) -> None:
    await add_queues(sqlite_store, {"q": to_hook(sink)})
    with NatsServer(settings=f"authorization {{ {authorization} }}") as server:
        async with running(sqlite_store, worker(by_nats(server, **settings))):
            await place(sqlite_store, "sale-1")
            await until_ended(sqlite_store)

    assert ["sale-1"] == arrived_keys(sink)


async def test_broker_when_it_refuses_then_logged_once_and_entries_wait(
    sqlite_store: Store, sink: WebHookSink
) -> None:
    await add_queues(sqlite_store, {"q": to_hook(sink)})
    log = NatsLog()
    with NatsServer(settings='authorization { token: "s3cret" }') as server:
        async with running(sqlite_store, worker(by_nats(server, token="guess"), log=log)):
            await place(sqlite_store, "sale-1")
            await passed(tries_count=10)

    assert {"sale-1": "waiting"} == await states(sqlite_store)
    assert ["nats_trouble"] == log.told


async def test_broker_when_it_speaks_tls_then_its_certificate_is_checked(
    sqlite_store: Store, sink: WebHookSink, tmp_path: Path
) -> None:
    await add_queues(sqlite_store, {"q": to_hook(sink)})
    authority, stranger = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    for name, blob in (
        ("ca.pem", authority.cert_pem),
        ("stranger.pem", stranger.cert_pem),
        ("cert.pem", certificate.cert_chain_pems[0]),
        ("key.pem", certificate.private_key_pem),
    ):
        blob.write_to_path(str(tmp_path / name))
    files = f'cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem"'
    with NatsServer(settings=f"tls {{ {files} }}") as server:
        await place(sqlite_store, "sale-1")
        distrusting = by_nats(server, tls_ca=tmp_path / "stranger.pem")
        async with running(sqlite_store, worker(distrusting)):
            await passed(tries_count=5)
        assert [] == sink.deliveries
        async with running(sqlite_store, worker(by_nats(server, tls_ca=tmp_path / "ca.pem"))):
            await until_ended(sqlite_store)

    assert ["sale-1"] == arrived_keys(sink)


@pytest.mark.parametrize(
    ("settings", "field", "message"),
    [
        (NatsSettings(prefix="a.b"), "nats.prefix", "expected 1 to 64 letters, .*'a.b'"),
        (NatsSettings(servers=()), "nats.servers", "expected URLs such as nats://"),
        (NatsSettings(tls_ca=Path("/none.pem")), "nats.tls_ca", "No such file"),
    ],
)
def test_settings_when_of_no_use_then_refused(
    settings: NatsSettings, field: str, message: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        check(settings)

    (problem,) = refused.value.problems
    assert field == problem.field
    assert re.search(message, problem.message)
