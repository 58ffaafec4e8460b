"""Hold the store to its promises while its database is in trouble."""

import asyncio
import resource
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text, update

from engine.errors import InvalidInput, Overloaded, StoreUnavailable
from server.storage import Store, StoreSettings, open_store, turns
from server.storage.account_tables import account
from server.storage.sqlite import DATABASE_FILE
from tests.support.databases import Postgres
from tests.support.store_child import complete, find, make_account, numbers
from tests.support.unix_proxy import Proxy, running_proxy

MIB = 1024 * 1024


def fill(connection: Connection, size: int) -> None:
    """Store a row of so many bytes."""
    row = {"account_id": "large", "name": "x" * size, "revision": 1}
    connection.execute(account.insert().values(**row, created_ns=0, updated_ns=0))


# --- any database ----------------------------------------------------------------------------


async def test_write_when_too_many_wait_then_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "WAITING_MAX", 3)
    release = threading.Event()
    held = [asyncio.create_task(store.write(lambda _: release.wait(30))) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await store.write(make_account)
    release.set()

    assert [True] * 3 == await asyncio.gather(*held)
    await store.write(make_account)


# --- SQLite ----------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    """Return the settings of an embedded database."""
    return StoreSettings(directory=tmp_path / "data")


async def test_sqlite_when_disk_is_full_then_nothing_half_and_goes_on_when_there_is_room(
    settings: StoreSettings,
) -> None:
    async with open_store(settings) as store:
        await store.write(make_account)
        pages = await store.read(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar_one())
        limit = "PRAGMA max_page_count = {}"
        await store.write(lambda c: c.exec_driver_sql(limit.format(pages + 2)).close())
        answers = await asyncio.gather(
            *(store.write(partial(complete, sale_id=f"sale-{each}")) for each in range(4)),
            store.write(partial(fill, size=MIB)),
            return_exceptions=True,
        )
        stored = await store.read(numbers)
        await store.write(lambda c: c.exec_driver_sql(limit.format(1_000_000)).close())
        again = [await store.write(partial(complete, sale_id=f"sale-{each}")) for each in range(4)]
        verdict = await store.read(
            lambda c: c.exec_driver_sql("PRAGMA integrity_check").scalar_one()
        )

    assert isinstance(answers[4], StoreUnavailable)
    assert not answers[4].is_unknown
    for each, answer in enumerate(answers[:4]):
        if isinstance(answer, int):
            assert answer == stored[f"sale-{each}"]
        else:
            assert isinstance(answer, StoreUnavailable)
    assert [1, 2, 3, 4] == again
    assert "ok" == verdict


async def test_sqlite_when_another_process_locks_it_then_unavailable_until_it_leaves(
    settings: StoreSettings,
) -> None:
    async with open_store(settings) as store:
        await store.write(make_account)
        foreign = sqlite3.connect(settings.directory / DATABASE_FILE, isolation_level=None)
        foreign.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="SQLITE_BUSY") as refused:
            await store.write(partial(complete, sale_id="sale-1"))
        seen = await store.read(partial(find, sale_id="acme"))
        foreign.execute("ROLLBACK")
        foreign.close()
        after = await store.write(partial(complete, sale_id="sale-1"))

    assert not refused.value.is_unknown
    assert (0, 1) == (seen, after)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let the system refuse to write beyond a size: to SQLite that is an error of the disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("size", "is_unknown"),
    # What fits the cache is written by COMMIT, what does not is written before.
    [(MIB * 3 // 2, True), (4 * MIB, False)],
)
async def test_sqlite_when_the_disk_fails_then_gives_up_reads_on_and_recovers_when_opened(
    settings: StoreSettings, size: int, *, is_unknown: bool
) -> None:
    async with open_store(settings) as store:
        await store.write(make_account)
        number = await store.write(partial(complete, sale_id="sale-1"))
        with file_size_limit(MIB):
            with pytest.raises(StoreUnavailable) as failed:
                await store.write(partial(fill, size=size))
            reason = await asyncio.wait_for(store.failed(), 30)
        with pytest.raises(StoreUnavailable, match="opened anew") as later:
            await store.write(partial(complete, sale_id="sale-2"))
        seen = await store.read(numbers)
    async with open_store(settings) as store:
        recovered = await store.read(numbers)
        then = await store.write(partial(complete, sale_id="sale-2"))

    assert is_unknown == failed.value.is_unknown
    assert "SQLITE_IOERR" in reason
    assert not later.value.is_unknown
    assert {"sale-1": number} == seen == recovered
    assert number + 1 == then


async def test_sqlite_when_the_writer_has_a_defect_then_gives_up_and_nobody_waits_for_ever(
    settings: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(point: str) -> None:
        if point == "before_commit":
            raise RuntimeError("a mistake of ours")

    async with open_store(settings) as store:
        monkeypatch.setattr("server.storage.failpoints.reach", fail)
        for is_unknown in (True, False):
            with pytest.raises(StoreUnavailable) as refused:
                await store.write(make_account)
            assert is_unknown is refused.value.is_unknown
        assert "RuntimeError" in await store.failed()


async def test_sqlite_when_file_is_no_database_then_says_so(settings: StoreSettings) -> None:
    settings.directory.mkdir()
    (settings.directory / DATABASE_FILE).write_bytes(b"no database" * 1_000)
    with pytest.raises(StoreUnavailable, match="SQLITE_NOTADB"):
        async with open_store(settings):
            pass
    (settings.directory / DATABASE_FILE).unlink()
    async with open_store(settings) as store:
        await store.write(make_account)


async def test_sqlite_when_much_is_written_then_the_log_stays_small(
    settings: StoreSettings,
) -> None:
    log = settings.directory / f"{DATABASE_FILE}-wal"
    async with open_store(settings) as store:
        await store.write(make_account)
        sizes = []
        for turn in range(4):
            sales = range(512 * turn, 512 * (turn + 1))
            await asyncio.gather(
                *(store.write(partial(complete, sale_id=f"sale-{each}")) for each in sales)
            )
            sizes.append(log.stat().st_size)
        kept = await store.read(numbers)

    assert 2048 == len(kept)
    assert max(sizes) < 16 * MIB
    assert not log.exists()


# --- PostgreSQL ------------------------------------------------------------------------------


@pytest.fixture
def shared(postgres: Postgres, tmp_path: Path) -> StoreSettings:
    """Return the settings of the shared database."""
    return StoreSettings(directory=tmp_path, url=postgres.emptied().render_as_string())


@contextmanager
def proxied(postgres: Postgres) -> Iterator[tuple[StoreSettings, Proxy]]:
    """Yield the settings of the shared database by way of a proxy, and the proxy."""
    url = postgres.emptied()
    with (
        tempfile.TemporaryDirectory() as directory,
        running_proxy(postgres.server.directory, Path(directory)) as proxy,
    ):
        through = url.update_query_dict({"host": directory}).render_as_string()
        yield StoreSettings(directory=Path(directory), url=through), proxy


async def test_postgres_when_reply_to_commit_is_lost_then_settled_by_its_id(
    postgres: Postgres,
) -> None:
    with proxied(postgres) as (settings, proxy):
        async with open_store(settings) as store:
            await store.write(make_account)
            proxy.cut_at_commit("after")
            number = await store.write(
                partial(complete, sale_id="sale-1"), settled=partial(find, sale_id="sale-1")
            )
            stored = await store.read(numbers)

    assert 1 == proxy.cut_count
    assert 1 == number
    assert {"sale-1": 1} == stored


async def test_postgres_when_reply_to_commit_is_lost_and_nobody_looks_then_unknown(
    postgres: Postgres,
) -> None:
    with proxied(postgres) as (settings, proxy):
        async with open_store(settings) as store:
            await store.write(make_account)
            proxy.cut_at_commit("after")
            with pytest.raises(StoreUnavailable) as unknown:
                await store.write(partial(complete, sale_id="sale-1"))
            again = await store.write(partial(complete, sale_id="sale-1"))

    assert unknown.value.is_unknown
    assert 1 == again


async def test_postgres_when_commit_never_arrives_then_done_again_without_a_gap(
    postgres: Postgres,
) -> None:
    with proxied(postgres) as (settings, proxy):
        async with open_store(settings) as store:
            await store.write(make_account)
            proxy.cut_at_commit("before")
            number = await store.write(
                partial(complete, sale_id="sale-1"), settled=partial(find, sale_id="sale-1")
            )
            stored = await store.read(numbers)

    assert 1 == proxy.cut_count
    assert (1, {"sale-1": 1}) == (number, stored)


async def test_postgres_when_session_is_ended_within_work_then_done_again(
    shared: StoreSettings,
) -> None:
    turn_count = 0

    def work(connection: Connection) -> int:
        nonlocal turn_count
        turn_count += 1
        number = complete(connection, "sale-1")
        if turn_count == 1:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return number

    async with open_store(shared) as store:
        await store.write(make_account)
        number = await store.write(work)
        stored = await store.read(numbers)

    assert (2, 1, {"sale-1": 1}) == (turn_count, number, stored)


async def test_postgres_when_two_lock_crosswise_then_both_succeed(shared: StoreSettings) -> None:
    both = threading.Barrier(2, timeout=30)

    def rename(connection: Connection, first: str, second: str, *, met: list[bool]) -> None:
        for each in (first, second):
            statement = update(account).where(account.c.account_id == each)
            connection.execute(statement.values(revision=account.c.revision + 1))
            if not met:
                met.append(True)
                both.wait()

    async with open_store(shared) as store:
        await store.write(make_account)
        await store.write(partial(fill, size=1))
        await asyncio.gather(
            store.write(partial(rename, first="acme", second="large", met=[])),
            store.write(partial(rename, first="large", second="acme", met=[])),
        )
        columns = (account.c.account_id, account.c.revision)
        rows = await store.read(lambda c: c.execute(select(*columns)).all())

    assert {("acme", 2), ("large", 3)} == {tuple(row) for row in rows}


async def test_postgres_when_it_crashes_and_starts_again_then_nothing_acknowledged_is_lost(
    postgres: Postgres, shared: StoreSettings
) -> None:
    acked: dict[str, int] = {}

    async def till(store: Store, first: int) -> None:
        for each in range(first, first + 40):
            sale_id = f"sale-{each}"
            try:
                acked[sale_id] = await store.write(
                    partial(complete, sale_id=sale_id), settled=partial(find, sale_id=sale_id)
                )
            except StoreUnavailable:
                # Sent again below, under the same id.
                continue

    async with open_store(shared) as store:
        await store.write(make_account)
        tills = [asyncio.create_task(till(store, 40 * each)) for each in range(8)]
        await store.write(partial(complete, sale_id="first"))
        await asyncio.to_thread(postgres.server.stop)
        await asyncio.to_thread(postgres.server.start)
        await asyncio.gather(*tills)
        postgres.engine.dispose()
        again = {
            f"sale-{each}": await store.write(partial(complete, sale_id=f"sale-{each}"))
            for each in range(320)
        }
        stored = await store.read(numbers)

    assert acked.items() <= again.items()
    assert again.items() <= stored.items()
    assert list(range(1, 322)) == sorted(stored.values())


async def test_postgres_when_it_is_not_there_then_unavailable(tmp_path: Path) -> None:
    url = f"postgresql://postgres@/nowhere?host={tmp_path}"
    with pytest.raises(StoreUnavailable, match="does not answer"):
        async with open_store(StoreSettings(directory=tmp_path, url=url)):
            pass


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/name", "sqlite:///file"])
async def test_store_when_url_is_no_postgres_then_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidInput, match="postgresql://"):
        async with open_store(StoreSettings(directory=tmp_path, url=url)):
            pass
