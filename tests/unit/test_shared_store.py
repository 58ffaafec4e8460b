"""Share one file of SQLite between workers: turns that are fair, works of all stored once."""

import asyncio
import fcntl
import os
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from engine.errors import NotFound, StoreUnavailable
from server.storage import Store, StoreSettings, next_number, open_store
from server.storage.account_tables import account
from server.storage.counter_tables import counter
from server.storage.lease import LOCK_FILE, Lease
from server.storage.write_turns import TURN_FILE, WriteTurns
from tests.support.worker_processes import until

ACCOUNT = "acme"
WORKS = 150
SECONDS_MAX = 60


def take(connection: Connection) -> int:
    """Take a number."""
    return next_number(connection, account_id=ACCOUNT, kind="sale", scope_id="till-1")


def add_account(connection: Connection) -> None:
    """Store the account whose numbers are taken."""
    row = {"account_id": ACCOUNT, "name": "Acme", "revision": 1, "created_ns": 1, "updated_ns": 1}
    connection.execute(account.insert().values(row))


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[list[Store]]:
    """Yield two stores over one file, each with connections of its own as in two processes."""
    lease = Lease(tmp_path / LOCK_FILE)
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(2):
            settings = StoreSettings(directory=tmp_path, lease=os.dup(lease.descriptor))
            opened.append(await stack.enter_async_context(open_store(settings)))
        await opened[0].write(add_account)
        yield opened
    lease.release()


async def test_stores_when_both_write_at_once_then_no_number_is_lost_or_doubled(
    stores: list[Store],
) -> None:
    taken = await asyncio.gather(*(store.write(take) for _ in range(WORKS) for store in stores))

    assert list(range(1, 2 * WORKS + 1)) == sorted(taken)
    assert [0, 0] == [store.stats.failure_count for store in stores]


async def test_stores_when_one_has_written_then_the_other_reads_it(stores: list[Store]) -> None:
    await stores[0].write(take)

    found = await stores[1].read(lambda c: c.execute(select(counter.c.value)).scalar_one())

    assert 1 == found


async def test_stores_when_a_work_of_one_fails_then_the_other_has_its_turn(
    stores: list[Store],
) -> None:
    def fail(connection: Connection) -> None:
        take(connection)
        raise NotFound("nobody")

    with pytest.raises(NotFound):
        await stores[0].write(fail)

    async with asyncio.timeout(SECONDS_MAX):
        assert 1 == await stores[1].write(take)


async def test_stores_when_one_is_closed_then_the_other_goes_on(tmp_path: Path) -> None:
    lease = Lease(tmp_path / LOCK_FILE)
    settings = StoreSettings(directory=tmp_path, lease=os.dup(lease.descriptor))
    async with open_store(settings) as staying:
        await staying.write(add_account)
        twin = StoreSettings(directory=tmp_path, lease=os.dup(lease.descriptor))
        async with open_store(twin) as leaving:
            await leaving.write(take)
        second = await staying.write(take)
    lease.release()

    assert 2 == second


async def test_lease_when_workers_have_it_then_kept_though_its_taker_is_gone(
    tmp_path: Path,
) -> None:
    lease = Lease(tmp_path / LOCK_FILE)
    settings = StoreSettings(directory=tmp_path, lease=os.dup(lease.descriptor))
    async with open_store(settings):
        lease.release()
        with pytest.raises(StoreUnavailable, match=f"was held by process {os.getpid()}"):
            Lease(tmp_path / LOCK_FILE)

    Lease(tmp_path / LOCK_FILE).release()


def test_turns_when_another_one_waits_then_it_is_next(tmp_path: Path) -> None:
    order: list[str] = []
    first, second = WriteTurns(tmp_path), WriteTurns(tmp_path)
    has_second_begun = threading.Event()
    first.begin()

    def take_second_turn() -> None:
        has_second_begun.set()
        second.begin()
        order.append("second")
        second.end()

    waiting = threading.Thread(target=take_second_turn)
    waiting.start()
    has_second_begun.wait(SECONDS_MAX)
    until(lambda: is_waited_for(tmp_path))
    order.append("first")
    first.end()
    first.begin()
    order.append("first again")
    first.close()
    waiting.join(SECONDS_MAX)
    second.close()

    assert ["first", "second", "first again"] == order


def is_waited_for(directory: Path) -> bool:
    """Return whether somebody waits for the turn, which the kernel lists with an arrow."""
    inode = f":{(directory / TURN_FILE).stat().st_ino} "
    locks = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and inode in line for line in locks)


async def test_store_when_it_closes_then_its_checkpoint_waits_for_a_turn(tmp_path: Path) -> None:
    lease, stack = Lease(tmp_path / LOCK_FILE), AsyncExitStack()
    settings = StoreSettings(directory=tmp_path, lease=os.dup(lease.descriptor))
    store = await stack.enter_async_context(open_store(settings))
    await store.write(add_account)
    other = WriteTurns(tmp_path)
    await asyncio.to_thread(other.begin)
    closing = asyncio.create_task(stack.aclose())
    await asyncio.to_thread(until, lambda: is_waited_for(tmp_path))
    is_closed_early = closing.done()
    other.close()
    await closing
    lease.release()

    assert not is_closed_early


def test_turn_when_its_process_is_gone_then_free(tmp_path: Path) -> None:
    gone = WriteTurns(tmp_path)
    gone.begin()
    gone.close()

    with (tmp_path / TURN_FILE).open("r+b") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
