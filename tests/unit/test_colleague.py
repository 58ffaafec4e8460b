"""Prepare for all workers, and give back what those have leased that have ended."""

import socket
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from engine.rpc.worker import Boot, Line, Worker
from server.colleague import Colleague
from server.config import DataSettings, ServerSettings, Settings
from server.demo import make_account
from server.storage import Store, StoreSettings, open_store
from server.storage.export_lanes import claim, find_due
from server.storage.exports import ExportKind, QueueName
from tests.support.export_queues import insert_queue, place_sales

ACCOUNT = "acme"
LEASED_BY = {"one": "worker-1", "two": "worker-2"}
"""The queues, and who has leased them."""

NOW_NS = 1_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Yield a store with two queues, each leased, that have something due."""
    async with open_store(StoreSettings(directory=tmp_path)) as opened:
        await opened.write(partial(make_account, account_id=ACCOUNT, name=ACCOUNT, now_ns=1))
        for queue_id in LEASED_BY:
            insert = partial(insert_queue, queue_id=queue_id, kind=ExportKind.SALE)
            await opened.write(partial(insert, account_id=ACCOUNT))
        await opened.write(partial(place_sales, account_id=ACCOUNT, keys=("sale",)))
        for queue_id, owner in LEASED_BY.items():
            leasing = partial(claim, owner=owner, now_ns=NOW_NS, lease_until_ns=NOW_NS + 10**9)
            await opened.write(partial(leasing, names=[QueueName(ACCOUNT, queue_id)]))
        yield opened


async def prepared(store: Store, directory: Path, **worker: str | bool) -> tuple[list[str], bytes]:
    """Prepare as a worker; return the queues that are free then, and what its supervisor heard."""
    settings = Settings(server=ServerSettings(workers=2), data=DataSettings(directory=directory))
    own, theirs = socket.socketpair()
    known = msgspec.convert({"index": 0, "count": 2, "id": "new", **worker}, Worker)
    with own, theirs:
        line = Line(own, Boot(worker=known, settings=msgspec.Raw(b"null")))
        await Colleague(line, None, directory).prepare(store, settings)
        told = theirs.recv(100)
    finding = partial(find_due, now_ns=NOW_NS, owner="new", count=9)
    return [name.queue_id for name in await store.read(finding)], told


async def test_prepare_when_first_of_all_then_every_lease_is_of_an_earlier_life(
    store: Store, tmp_path: Path
) -> None:
    free, told = await prepared(store, tmp_path, is_first=True)

    assert (["one", "two"], b"prepared\n") == (sorted(free), told)


async def test_prepare_when_in_the_place_of_another_then_gives_back_its_leases(
    store: Store, tmp_path: Path
) -> None:
    free, _ = await prepared(store, tmp_path, former_id="worker-2")

    assert ["two"] == free


async def test_prepare_when_beside_others_then_leaves_their_leases(
    store: Store, tmp_path: Path
) -> None:
    free, _ = await prepared(store, tmp_path)

    assert [] == free
