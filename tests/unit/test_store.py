"""Hold the store to its promises on both databases: all or nothing, gap-free, many at once."""

import asyncio
import itertools
import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import IntegrityError

from engine.errors import NotFound, StoreUnavailable
from server.storage import Store, StoreSettings, insert, next_number, open_store
from server.storage.account_tables import account, market
from server.storage.counter_tables import counter

ACCOUNT = "acme"


def add_account(connection: Connection, account_id: str = ACCOUNT) -> str:
    """Store an account, once."""
    known = select(account.c.account_id).where(account.c.account_id == account_id)
    if connection.execute(known).first() is None:
        row = {"account_id": account_id, "name": "Acme", "revision": 1}
        connection.execute(account.insert().values(**row, created_ns=1, updated_ns=1))
    return account_id


def take(connection: Connection) -> int:
    """Take a number."""
    return next_number(connection, account_id=ACCOUNT, kind="sale", scope_id="till-1")


def account_count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(account)).scalar_one()


async def test_write_when_done_then_read_sees_it(store: Store) -> None:
    written = await store.write(add_account)

    assert ACCOUNT == written
    assert 1 == await store.read(account_count)


async def test_write_when_work_raises_then_nothing_is_stored(store: Store) -> None:
    def fail(connection: Connection) -> None:
        add_account(connection)
        raise NotFound("nobody")

    with pytest.raises(NotFound, match="nobody"):
        await store.write(fail)

    assert 0 == await store.read(account_count)


async def test_write_when_work_is_broken_then_its_exception_and_nothing_is_stored(
    store: Store,
) -> None:
    def fail(connection: Connection) -> None:
        add_account(connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.write(fail)

    assert 0 == await store.read(account_count)


async def test_write_when_a_row_refers_to_nothing_then_integrity_error(store: Store) -> None:
    def refer(connection: Connection) -> None:
        row = {"account_id": "ghost", "market_id": "dk", "name": "", "document": "{}"}
        connection.execute(market.insert().values(**row, revision=1, created_ns=1, updated_ns=1))

    with pytest.raises(IntegrityError):
        await store.write(refer)


async def test_read_when_work_writes_then_refused(store: Store) -> None:
    with pytest.raises(Exception, match=r"readonly|read-only"):
        await store.read(add_account)

    assert 0 == await store.read(account_count)


async def test_read_when_others_write_meanwhile_then_one_snapshot(store: Store) -> None:
    loop = asyncio.get_running_loop()
    written = threading.Event()
    has_begun = asyncio.Event()

    def count_twice(connection: Connection) -> tuple[int, int]:
        before = account_count(connection)
        loop.call_soon_threadsafe(has_begun.set)
        assert written.wait(30)
        return before, account_count(connection)

    reading = asyncio.create_task(store.read(count_twice))
    await has_begun.wait()
    await store.write(add_account)
    written.set()

    assert (0, 0) == await reading
    assert 1 == await store.read(account_count)


async def test_number_when_64_tasks_take_them_then_gap_free_and_failures_give_back(
    store: Store,
) -> None:
    await store.write(add_account)

    def take_and_fail(connection: Connection) -> None:
        take(connection)
        raise NotFound("gone")

    async def till() -> list[int]:
        taken = []
        for _ in range(4):
            taken.append(await store.write(take))
            with pytest.raises(NotFound):
                await store.write(take_and_fail)
        return taken

    taken = await asyncio.gather(*(till() for _ in range(64)))

    assert list(range(1, 257)) == sorted(itertools.chain.from_iterable(taken))
    assert 256 == await store.read(lambda c: c.execute(select(counter.c.value)).scalar_one())


async def test_number_when_a_block_is_taken_then_the_first_of_it(store: Store) -> None:
    await store.write(add_account)

    def take_ten(connection: Connection) -> int:
        return next_number(connection, account_id=ACCOUNT, kind="sale", scope_id="till-1", count=10)

    first = await store.write(take_ten)
    then = await store.write(take)

    assert (1, 11) == (first, then)


async def test_number_when_largest_then_64_bits(store: Store) -> None:
    await store.write(add_account)
    row = {"account_id": ACCOUNT, "kind": "sale", "scope_id": "till-1", "value": 2**63 - 2}
    await store.write(lambda c: c.execute(counter.insert().values(**row)).close())

    assert 2**63 - 1 == await store.write(take)


async def test_write_when_twins_look_then_insert_then_one_stores_and_both_answer(
    store: Store,
) -> None:
    answers = await asyncio.gather(*(store.write(add_account) for _ in range(64)))

    assert [ACCOUNT] * 64 == answers
    assert 1 == await store.read(account_count)


async def test_write_when_caller_left_then_others_go_on(store: Store) -> None:
    await store.write(add_account)
    tasks = [asyncio.create_task(store.write(take)) for _ in range(32)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)

    numbers = [each for each in answers if isinstance(each, int)]
    last = await store.write(take)
    assert 16 <= len(numbers) == len(set(numbers)) < last


async def test_text_when_any_unicode_then_stored_as_sent(store: Store) -> None:
    name = "Sm\u00f8rrebr\u00f8d \U0001f95e e\u0301\u00e9 \u202eabc'; DROP TABLE account; --"

    def rename(connection: Connection) -> None:
        add_account(connection)
        connection.execute(account.update().values(name=name))

    await store.write(rename)

    assert name == await store.read(lambda c: c.execute(select(account.c.name)).scalar_one())


async def test_insert_when_conflict_then_updates(store: Store) -> None:
    await store.write(add_account)

    def upsert(connection: Connection) -> None:
        row = {
            "account_id": ACCOUNT,
            "name": "New",
            "revision": 2,
            "created_ns": 1,
            "updated_ns": 2,
        }
        statement = insert(connection, account).values(**row)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["account_id"], set_={"name": statement.excluded.name}
            )
        )

    await store.write(upsert)

    assert "New" == await store.read(lambda c: c.execute(select(account.c.name)).scalar_one())


async def test_store_when_closed_and_opened_again_then_everything_is_there(
    store_settings: StoreSettings,
) -> None:
    async with open_store(store_settings) as store:
        await store.write(add_account)
        numbers = [await store.write(take) for _ in range(3)]
    async with open_store(store_settings) as store:
        numbers.append(await store.write(take))

    assert [1, 2, 3, 4] == numbers


async def test_work_when_sql_is_wrong_then_no_trouble_of_the_database(store: Store) -> None:
    with pytest.raises(Exception, match="nonsense") as caught:
        await store.write(lambda c: c.execute(text("SELECT nonsense")).close())

    assert not isinstance(caught.value, StoreUnavailable)


async def test_directory_when_another_store_has_it_then_refused_with_its_process(
    tmp_path: Path,
) -> None:
    settings = StoreSettings(directory=tmp_path / "data")
    async with open_store(settings):
        with pytest.raises(StoreUnavailable, match=f"held by process {os.getpid()}"):
            async with open_store(settings):
                pass
