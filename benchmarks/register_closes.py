"""Measure what closing a register costs after few sales and after many, over a new SQLite file."""

import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import Connection, insert, select, update

from engine.journal.totals import receipt_amounts
from engine.model import Sale
from engine.model.journal import KindTotals, RunningTotals
from engine.records.sales import read_sale
from engine.register.rows import sale_rows
from engine.register.totals import RegisterTotals
from engine.strict_json import decode
from server.registers.closing import close_register
from server.registers.recomputation import PeriodName, recompute
from server.rpc.register_requests import read_close
from server.storage import StoreSettings, open_store
from server.storage.periods import totals_to_text
from server.storage.register_tables import register_period
from server.storage.sale_tables import sale
from tests.support.checkouts import OURS
from tests.support.server import JOURNAL_KEY
from tests.support.tills import OTHER_TILL, TILL, Tills, closing, new_id, running_tills, totals

FEW: Final = 10
CLOSES: Final = 7
_ROWS_A_STEP: Final = 5_000
_ERRORS: Final = 40
"""The level of the log from which lines are printed."""


async def close_seconds(many: int) -> tuple[float, float]:
    """Return the least CPU time of a close after ten sales, and of one after many.

    Each register has sold once at its till. The other sales are copies of that row, and the totals
    of the period are those of all; afterwards they are added up again, and have to be equal. What
    is measured is all that a close does in its transaction, in the thread that does it.

    Raises:
        RuntimeError: The totals are not those of the sales.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(_ERRORS))
    with tempfile.TemporaryDirectory() as directory:
        async with (
            open_store(StoreSettings(directory=Path(directory))) as store,
            running_tills(store) as tills,
        ):
            return await _closes(tills, TILL, FEW), await _closes(tills, OTHER_TILL, many)


async def _closes(tills: Tills, register_id: str, count: int) -> float:
    """Return the least time of several closes of a register, each after so many sales."""
    least = 0.0
    for number in range(CLOSES):
        await tills.open(register_id)
        if number == 0:
            await tills.sell(register_id)

        def work(connection: Connection, *, is_first: bool = number == 0) -> None:
            first = _first(connection, register_id)
            if is_first:
                _copy(connection, first, count)
            _give(connection, first, count)

        await tills.store.write(work)
        # In a shop the last sale was a moment ago: what the close reads is in memory.
        for _ in range(2):
            await tills.call(totals(register_id, x_report_id=new_id("report")))
        taken = await _close(tills, register_id)
        least = min(taken, least or taken)
    return least


async def _close(tills: Tills, register_id: str) -> float:
    """Close a register, compare its totals with its sales, and return the time of the close."""
    request = read_close(closing(register_id), clock=tills.clock)

    def work(connection: Connection) -> tuple[float, int]:
        start = time.thread_time()
        closed = close_register(connection, account_id=OURS, request=request, key=JOURNAL_KEY)
        return time.thread_time() - start, closed.period_number

    taken, number = await tills.store.write(work)
    name = PeriodName(account_id=OURS, register_id=register_id, period_number=number)
    found = await recompute(tills.store, name)
    if found.difference is not None:
        raise RuntimeError(f"expected equal totals, was {found.difference}")
    return taken


def _first(connection: Connection, register_id: str) -> dict[str, Any]:
    """Return the row of the sale that was made."""
    own = select(sale).where(sale.c.register_id == register_id, sale.c.sequence_number == 1)
    return dict(connection.execute(own).mappings().one())


def _copy(connection: Connection, first: dict[str, Any], count: int) -> None:
    """Add rows like the first sale, so that there are so many."""
    begin = first["account_number"] * 10**9
    for start in range(2, count + 1, _ROWS_A_STEP):
        copies = [
            {
                **first,
                "sale_id": f"{first['sale_id']}-{number}",
                "sequence_number": number,
                "account_number": begin + number,
            }
            for number in range(start, min(start + _ROWS_A_STEP, count + 1))
        ]
        connection.execute(insert(sale), copies)


def _give(connection: Connection, first: dict[str, Any], count: int) -> None:
    """Move the sales to the open period, and set its totals to theirs."""
    is_open = (
        register_period.c.register_id == first["register_id"],
        register_period.c.closed_ns.is_(None),
    )
    number = connection.execute(
        select(register_period.c.period_number).where(*is_open)
    ).scalar_one()
    own = sale.c.register_id == first["register_id"]
    connection.execute(update(sale).where(own).values(period_number=number))
    made = read_sale(decode(first["document"]))
    one = sale_rows(made.summary, made.payments, made.base_currency_code)
    every = RegisterTotals.from_rows(
        made.base_currency_code,
        {key: [value * count for value in values] for key, values in one.items()},
    )
    running = msgspec.json.encode(_running(made, first["scale"], count), order="sorted")
    values = {"totals": totals_to_text(every), "journal_totals": running.decode()}
    connection.execute(update(register_period).where(*is_open).values(**values))


def _running(made: Sale, scale: int, count: int) -> RunningTotals:
    """Return what the journal counts of so many equal sales."""
    receipt = receipt_amounts(
        made.summary, currency_code=made.base_currency_code, scale=scale, sequence_number=1
    )
    taxes = tuple(
        msgspec.structs.replace(
            tax, base_minor=tax.base_minor * count, amount_minor=tax.amount_minor * count
        )
        for tax in receipt.taxes
    )
    return RunningTotals(
        sales=KindTotals(total_minor=receipt.total_minor * count, count=count, taxes=taxes)
    )
