"""Tell other workers what was placed, so that whoever has leased the queue looks at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from engine.rpc.worker import Worker
from server.demo import make_account
from server.relay import relaying
from server.storage import Store, StoreSettings, open_store
from server.storage.announcements import Announcements
from server.storage.exports import ExportKind, QueueName
from tests.support.command_line import SECONDS_MAX
from tests.support.export_queues import insert_queue, place_sales

ACCOUNT = "acme"
PLACED = frozenset({QueueName(ACCOUNT, "sales")})


class Side(NamedTuple):
    """A worker: what its transactions tell, and what its dispatcher has heard."""

    announcements: Announcements
    heard: "asyncio.Queue[frozenset[QueueName]]"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Yield the store of the first worker, with a queue for sales."""
    async with open_store(StoreSettings(directory=tmp_path / "data")) as opened:
        await opened.write(partial(make_account, account_id=ACCOUNT, name=ACCOUNT, now_ns=1))
        insert = partial(insert_queue, queue_id="sales", kind=ExportKind.SALE)
        await opened.write(partial(insert, account_id=ACCOUNT))
        yield opened


@pytest.fixture
async def sides(store: Store, tmp_path: Path) -> AsyncIterator[list[Side]]:
    """Yield two workers, the first of which has the store."""
    async with AsyncExitStack() as stack:
        made = []
        for index, announcements in enumerate((store.announcements, Announcements())):
            side = Side(announcements, asyncio.Queue())
            worker = Worker(index=index, count=2, id=str(index))
            await stack.enter_async_context(relaying(announcements, worker, tmp_path))
            stack.enter_context(announcements.listening(side.heard.put_nowait))
            made.append(side)
        yield made


async def test_sale_when_placed_by_one_worker_then_both_look_once(
    store: Store, sides: list[Side]
) -> None:
    await store.write(partial(place_sales, account_id=ACCOUNT, keys=("sale",)))

    async with asyncio.timeout(SECONDS_MAX):
        heard = [await side.heard.get() for side in sides]
    assert [PLACED, PLACED] == heard
    assert [True, True] == [side.heard.empty() for side in sides]


async def test_sale_when_the_other_worker_is_gone_then_this_one_looks(
    store: Store, tmp_path: Path
) -> None:
    worker = Worker(index=0, count=2, id="alone")
    heard: asyncio.Queue[frozenset[QueueName]] = asyncio.Queue()
    async with relaying(store.announcements, worker, tmp_path):
        with store.announcements.listening(heard.put_nowait):
            await store.write(partial(place_sales, account_id=ACCOUNT, keys=("sale",)))
            async with asyncio.timeout(SECONDS_MAX):
                found = await heard.get()

    assert PLACED == found


async def test_relay_when_its_place_was_another_ones_then_hears(
    store: Store, tmp_path: Path
) -> None:
    announcements = Announcements()
    heard: asyncio.Queue[frozenset[QueueName]] = asyncio.Queue()
    first, second = (Worker(index=index, count=2, id=str(index)) for index in (0, 1))
    async with relaying(store.announcements, first, tmp_path):
        async with relaying(Announcements(), second, tmp_path):
            pass
        async with relaying(announcements, second, tmp_path):
            with announcements.listening(heard.put_nowait):
                await store.write(partial(place_sales, account_id=ACCOUNT, keys=("sale",)))
                async with asyncio.timeout(SECONDS_MAX):
                    found = await heard.get()

    assert PLACED == found
