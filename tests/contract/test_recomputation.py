"""Add up the sales of closes again: what was tampered with is named, in the server and without."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Connection, delete, select, update
from structlog.testing import capture_logs

from engine.journal.verification import Breach
from server import recompute as command
from server.registers.recomputation import PeriodName, recompute
from server.storage import StoreSettings, open_store
from server.storage.journal_tables import journal_entry
from server.storage.register_tables import register_close, register_period
from server.storage.sale_tables import sale
from tests.support.checkouts import NOW_NS, OURS
from tests.support.tills import OTHER_TILL, TILL, Tills, kinds, running_tills

Tampering = Callable[[Connection], object]


def replaced(table: Any, column: str, old: str, new: str) -> Tampering:
    """Return what replaces a text in a column of every row, which has it."""

    def tamper(connection: Connection) -> None:
        rows = connection.execute(select(table)).mappings().all()
        for row in rows:
            value = row[column]
            changed = (
                value.replace(old.encode(), new.encode())
                if isinstance(value, bytes)
                else value.replace(old, new)
            )
            assert changed != value, value
            own = [key == row[key.name] for key in table.primary_key]
            connection.execute(update(table).where(*own).values({column: changed}))

    return tamper


def without_first_sale(connection: Connection) -> None:
    """Remove a sale."""
    connection.execute(delete(sale).where(sale.c.sequence_number == 1))


PERIOD = {
    "stored totals": (replaced(register_period, "totals", "3590000000", "3591000000"), "totals."),
    "journal totals": (
        replaced(register_period, "journal_totals", '"count":2', '"count":3'),
        "journal_totals.sales.count: expected 2, was 3",
    ),
    "sale changed": (
        replaced(sale, "document", '"total":1795.00', '"total":1795.50'),
        "expected",
    ),
    "sale unreadable": (replaced(sale, "document", '"identifier"', '"id"'), "sale "),
    "sale removed": (
        without_first_sale,
        "totals.all.base_price: expected 1436, was 2872",
    ),
}
"""What is done to an open period with two lamps sold, and what is then said."""

CLOSE = {
    "totals of the close": (
        replaced(register_close, "totals", "3590000000", "3591000000"),
        "closed_totals.",
    ),
    "statement": (
        replaced(register_close, "document", '"item_count":2', '"item_count":1'),
        "register_close_statement.all.item_count: expected 2, was 1",
    ),
    "statement unreadable": (
        replaced(register_close, "document", '"reconciliations"', '"reconciled"'),
        "register_close_statement: ",
    ),
}
"""What is done to its close."""


def outcome(name: str) -> float:
    """Return how many recomputations had an outcome."""
    return REGISTRY.get_sample_value("tillcore_recomputations_total", {"outcome": name}) or 0


def command_line(settings: StoreSettings, directory: Path, **options: Any) -> int:
    """Run `tillcore recompute` over a store."""
    config = directory / "tillcore.toml"
    config.write_text(f'[database]\nurl = "{settings.url}"\n', encoding="utf-8")
    return command.run(config=config, data=settings.directory, **options)


async def two_lamps(tills: Tills) -> None:
    """Open a register and sell two lamps, one by one."""
    await tills.open()
    for _ in range(2):
        await tills.sell()


async def test_close_when_made_then_its_sales_are_added_up_again(
    store_settings: StoreSettings,
) -> None:
    before = outcome("equal")
    async with open_store(store_settings) as store, running_tills(store) as tills:
        await two_lamps(tills)
        await tills.close()
        await tills.recomputations.idle()
        (row,) = await tills.rows(register_close)
        found = await kinds(tills)

    assert (NOW_NS, None) == (row["recomputed_ns"], row["difference"])
    assert "totals_differ" not in found
    assert before + 1 == outcome("equal")


@pytest.mark.parametrize("name", PERIOD)
async def test_close_when_something_was_tampered_with_then_server_and_command_say_so(
    store_settings: StoreSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    tamper, expected = PERIOD[name]
    before = outcome("different")
    with capture_logs() as logs:
        async with open_store(store_settings) as store, running_tills(store) as tills:
            await two_lamps(tills)
            await store.write(tamper)
            await tills.close()
            await tills.recomputations.idle()
            (row,) = await tills.rows(register_close)
            last = (await tills.rows(journal_entry))[-1]
            verified = await tills.verified()

    assert expected in row["difference"]
    assert ("totals_differ", TILL) == (last["kind"], last["register_id"])
    assert row["difference"].encode() in last["entry"]
    assert [("error", row["difference"], TILL)] == [
        (each["log_level"], each["difference"], each["register"])
        for each in logs
        if each["event"] == "totals_differ"
    ]
    assert before + 1 == outcome("different")
    # What the journal seals is checked against its receipts by verification too.
    assert isinstance(verified, Breach) == (name == "journal totals")
    capsys.readouterr()
    assert 1 == await asyncio.to_thread(command_line, store_settings, tmp_path)
    output = capsys.readouterr().out
    assert f'account "{OURS}", register "{TILL}", period 1: {row["difference"]}\n' in output
    assert output.endswith("different 1\n")


@pytest.mark.parametrize("name", CLOSE)
async def test_command_when_a_close_was_tampered_with_then_status_1_and_its_first_number(
    store_settings: StoreSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    tamper, expected = CLOSE[name]
    async with open_store(store_settings) as store, running_tills(store) as tills:
        await two_lamps(tills)
        await tills.close()
        await tills.recomputations.idle()
        await store.write(tamper)
    capsys.readouterr()

    status = await asyncio.to_thread(command_line, store_settings, tmp_path)

    assert 1 == status
    assert expected in capsys.readouterr().out


async def test_command_when_all_is_equal_then_status_0_for_open_and_closed_periods(
    store_settings: StoreSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_store(store_settings) as store, running_tills(store) as tills:
        await two_lamps(tills)
        await tills.close()
        await two_lamps(tills)
        await tills.open(OTHER_TILL)
    capsys.readouterr()
    found = {}
    for options in ({}, {"register": TILL}, {"register": TILL, "period": 2}, {"account": "none"}):
        status = await asyncio.to_thread(command_line, store_settings, tmp_path, **options)
        found[str(options)] = (status, capsys.readouterr().out)

    assert [
        (0, "periods 3, sales 4, different 0\n"),
        (0, "periods 2, sales 4, different 0\n"),
        (0, "periods 1, sales 2, different 0\n"),
        (2, ""),
    ] == list(found.values())


async def test_start_when_a_close_was_not_checked_then_it_is(
    store_settings: StoreSettings,
) -> None:
    async with open_store(store_settings) as store:
        async with running_tills(store) as tills:
            await two_lamps(tills)
            await tills.close()
            await tills.recomputations.idle()
            await store.write(
                lambda connection: connection.execute(
                    update(register_close).values(recomputed_ns=None)
                )
            )
        async with running_tills(store, is_new=False) as tills:
            await tills.recomputations.idle()
            (row,) = await tills.rows(register_close)

    assert NOW_NS == row["recomputed_ns"]


async def test_recompute_when_period_goes_on_then_as_its_totals_were_at_the_beginning(
    store_settings: StoreSettings,
) -> None:
    """Sales that come while the first ones are added up are not in the totals compared."""
    name = PeriodName(account_id=OURS, register_id=TILL, period_number=1)
    async with open_store(store_settings) as store, running_tills(store) as tills:
        await two_lamps(tills)
        selling = asyncio.gather(*(tills.sell() for _ in range(12)))
        results = [await recompute(store, name) for _ in range(5)]
        await selling
        results.append(await recompute(store, name))

    assert [None] * 6 == [each.difference for each in results]
    assert 14 == results[-1].sale_count
