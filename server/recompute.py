"""Add up stored sales again from the command line, and compare them with the stored totals."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from sqlalchemy import ColumnElement, Connection, Table, func, select

from engine.errors import NotFound, TillcoreError
from engine.strict_json import shown_text
from server.app import load_settings, store_settings
from server.config import Settings
from server.progress import Bar, counting
from server.registers.recomputation import PeriodName, recompute
from server.storage import Store, open_store
from server.storage.register_tables import register_period
from server.storage.sale_tables import sale

STATUS_EQUAL: Final = 0
STATUS_DIFFERENT: Final = 1
STATUS_FAILED: Final = 2


def run(
    *,
    account: str = "",
    register: str = "",
    period: Annotated[int | None, Parameter(show_default=False)] = None,
    config: Annotated[Path | None, Parameter(show_default=False)] = None,
    data: Annotated[Path | None, Parameter(show_default=False)] = None,
) -> int:
    """Add up the stored sales of register periods again, and compare them with the stored totals.

    The exit status is 0 when all totals are those of the sales, 1 when some are not (the first
    number that differs is named for each period) and 2 when nothing was compared. The embedded
    database belongs to the server that runs: stop it first.

    Args:
        account: Only this account.
        register: Only the register of this id.
        period: Only the period of this number.
        config: File with the settings, as TOML.
        data: Directory of the embedded database.
    """
    try:
        settings = load_settings(config, data=data)
        return asyncio.run(_run(settings, account=account, register=register, period=period))
    except (TillcoreError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return STATUS_FAILED


async def _run(settings: Settings, *, account: str, register: str, period: int | None) -> int:
    async with open_store(store_settings(settings)) as store:
        names, sale_count = await store.read(
            lambda connection: _periods(
                connection, account=account, register=register, period=period
            )
        )
        if not names:
            was = f"account {shown_text(account)}, register {shown_text(register)}"
            raise NotFound(f"expected periods, was none of {was}, period {period or 'any'}")
        with counting(sale_count, noun="sales") as bar:
            return await _compare(store, names, bar)


async def _compare(store: Store, names: Sequence[PeriodName], bar: Bar) -> int:
    """Compare periods one after the other, and say what was found."""
    status, count, different = STATUS_EQUAL, 0, 0
    for name in names:
        result = await recompute(store, name, on_sales=bar.count)
        count += result.sale_count
        if result.difference is not None:
            status, different = STATUS_DIFFERENT, different + 1
            where = f"account {shown_text(name.account_id)}"
            where += f", register {shown_text(name.register_id)}, period {name.period_number}"
            sys.stdout.write(f"{where}: {result.difference}\n")
    sys.stdout.write(f"periods {len(names)}, sales {count}, different {different}\n")
    return status


def _periods(
    connection: Connection, *, account: str, register: str, period: int | None
) -> tuple[list[PeriodName], int]:
    """Return the periods that are asked for, and how many sales they have."""

    def wanted(table: Table) -> list[ColumnElement[bool]]:
        columns = table.c
        values = ((columns.account_id, account), (columns.register_id, register))
        conditions = [column == value for column, value in values if value]
        return conditions if period is None else [*conditions, columns.period_number == period]

    columns = register_period.c
    names = select(columns.account_id, columns.register_id, columns.period_number)
    ordered = names.where(*wanted(register_period)).order_by(*register_period.primary_key)
    sales = select(func.count()).select_from(sale).where(*wanted(sale))
    return (
        [PeriodName(**row) for row in connection.execute(ordered).mappings()],
        connection.execute(sales).scalar_one(),
    )
