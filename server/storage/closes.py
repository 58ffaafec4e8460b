"""Find and write register closes."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, select, tuple_, update

from engine.errors import NotFound
from engine.minor_units import to_minor
from engine.model.journal import RunningTotals
from engine.model.register import RegisterCloseStatement
from engine.model.value import Value
from engine.register.reading import read_statement
from engine.register.rendering import statement_json
from engine.strict_json import decode
from engine.timings import local_date
from server.storage.account_tables import market, register, shop
from server.storage.periods import Period, totals_to_text
from server.storage.register_tables import register_close, register_period
from server.storage.resources import get_row

_ENCODER = msgspec.json.Encoder(order="sorted")


class Close(Value, frozen=True):
    """A close with what its row has beside it.

    Attributes:
        close_id: Made by the till.
        content_hash: SHA-256 of the request that made it.
        statement: The Z report.
        register_totals: The journal's totals of the register since its first sale.
    """

    close_id: str
    content_hash: bytes
    statement: RegisterCloseStatement
    register_totals: RunningTotals


class CloseFilter(Value, frozen=True):
    """Which closes are asked for; what is empty does not restrict them.

    Attributes:
        first_date: The first local day, as YYYY-MM-DD.
        last_date: The last local day.
        market_id: The market.
        shop_id: The shop.
        register_id: The register.
    """

    first_date: str = ""
    last_date: str = ""
    market_id: str = ""
    shop_id: str = ""
    register_id: str = ""


class ClosePlace(NamedTuple):
    """The place of a close in a list."""

    business_date: str
    register_id: str
    sequence_number: int


def insert_close(connection: Connection, period: Period, close: Close) -> bytes:
    """Write the row of a close, and return its statement as JSON."""
    statement = close.statement
    source, timing = statement.source, statement.timing
    document = statement_json(statement)
    connection.execute(
        register_close.insert().values(
            account_id=period.account_id,
            register_id=period.register_id,
            sequence_number=statement.sequence_number,
            period_number=period.number,
            close_id=close.close_id,
            content_hash=close.content_hash,
            market_id=source.market_id,
            shop_id=source.shop_id,
            closed_ns=timing.timestamp_ns,
            business_date=local_date(timing),
            currency_code=period.currency_code,
            scale=period.scale,
            total_minor=to_minor(
                statement.register_summary.all.total_micros, scale=period.scale, name="total"
            ),
            totals=totals_to_text(period.totals),
            register_totals=_ENCODER.encode(close.register_totals).decode(),
            document=document,
        )
    )
    return document


def find_last_close(
    connection: Connection, *, account_id: str, register_id: str
) -> RowMapping | None:
    """Return the row of a register's last close, None when it was never closed."""
    latest = _of(account_id, register_id).order_by(register_close.c.sequence_number.desc())
    return connection.execute(latest.limit(1)).mappings().first()


def find_close(
    connection: Connection, *, account_id: str, register_id: str, close_id: str
) -> RowMapping | None:
    """Return the row of the close that a till made under an id, None when there is none."""
    statement = _of(account_id, register_id).where(register_close.c.close_id == close_id)
    return connection.execute(statement).mappings().first()


def find_close_of_period(
    connection: Connection, *, account_id: str, register_id: str, period_number: int
) -> RowMapping | None:
    """Return the row of the close that ended a period, None while it is open."""
    statement = _of(account_id, register_id).where(register_close.c.period_number == period_number)
    return connection.execute(statement).mappings().first()


def get_close(
    connection: Connection, *, account_id: str, register_id: str, sequence_number: int
) -> RowMapping:
    """Return the row of a register's close by its number.

    Raises:
        NotFound: The account has no such register, or the register no such close.
    """
    get_row(connection, register, account_id=account_id, row_id=register_id)
    own = _of(account_id, register_id)
    statement = own.where(register_close.c.sequence_number == sequence_number)
    row = connection.execute(statement).mappings().first()
    if row is None:
        raise NotFound(f"expected the number of a close, was {sequence_number}")
    return row


def statement_of(row: RowMapping) -> RegisterCloseStatement:
    """Return the statement of a close."""
    return read_statement(decode(row["document"]))


def list_closes(
    connection: Connection,
    wanted: CloseFilter,
    *,
    account_id: str,
    after: ClosePlace | None,
    count: int,
    is_newest_first: bool = False,
) -> list[RowMapping]:
    """Return closes by day, register and number.

    Args:
        connection: A transaction.
        wanted: Which ones.
        account_id: Whose closes they are.
        after: The last one that is left out, None to begin.
        count: How many at most.
        is_newest_first: Whether they are in the opposite order.

    Raises:
        NotFound: The market, the shop or the register is not of the account.
    """
    columns = register_close.c
    place = (columns.business_date, columns.register_id, columns.sequence_number)
    statement = select(register_close).where(_wanted(connection, wanted, account_id))
    if after is not None:
        here, there = tuple_(*place), tuple_(*after)
        statement = statement.where(here < there if is_newest_first else here > there)
    order = [column.desc() for column in place] if is_newest_first else place
    return list(connection.execute(statement.order_by(*order).limit(count)).mappings())


def closed_rows(
    connection: Connection, wanted: CloseFilter, *, account_id: str
) -> Iterator[RowMapping]:
    """Yield the currency, totals and event counts of closes.

    Raises:
        NotFound: The market, the shop or the register is not of the account.
    """
    close, period = register_close.c, register_period.c
    statement = (
        select(close.currency_code, close.totals, period.event_counts)
        .join(
            register_period,
            and_(
                period.account_id == close.account_id,
                period.register_id == close.register_id,
                period.period_number == close.period_number,
            ),
        )
        .where(_wanted(connection, wanted, account_id))
    )
    yield from connection.execute(statement.execution_options(yield_per=500)).mappings()


def not_recomputed(connection: Connection) -> list[RowMapping]:
    """Return account, register and period of every close whose sales were not added up again."""
    close = register_close.c
    statement = select(close.account_id, close.register_id, close.period_number)
    return list(connection.execute(statement.where(close.recomputed_ns.is_(None))).mappings())


def note_recomputed(
    connection: Connection,
    *,
    account_id: str,
    register_id: str,
    period_number: int,
    now_ns: int,
    difference: str | None,
) -> bool:
    """Note what adding up the sales of a close again has found; return whether it is news.

    Args:
        connection: The transaction.
        account_id: Whose register it is.
        register_id: The register.
        period_number: The period that was closed.
        now_ns: When, in nanoseconds since 1970-01-01 UTC.
        difference: The first number that is another; None when all are the same.
    """
    close = register_close.c
    own = and_(
        close.account_id == account_id,
        close.register_id == register_id,
        close.period_number == period_number,
    )
    found = select(close.recomputed_ns, close.difference).where(own).with_for_update()
    row = connection.execute(found).one()
    connection.execute(
        update(register_close).where(own).values(recomputed_ns=now_ns, difference=difference)
    )
    return difference is not None and row.difference != difference


def _of(account_id: str, register_id: str) -> Select[Any]:
    return select(register_close).where(
        register_close.c.account_id == account_id, register_close.c.register_id == register_id
    )


def _wanted(connection: Connection, wanted: CloseFilter, account_id: str) -> ColumnElement[bool]:
    """Return the condition of what is asked for, whose places are checked."""
    columns = register_close.c
    conditions: list[ColumnElement[bool]] = [columns.account_id == account_id]
    for table, column, value in (
        (market, columns.market_id, wanted.market_id),
        (shop, columns.shop_id, wanted.shop_id),
        (register, columns.register_id, wanted.register_id),
    ):
        if value:
            get_row(connection, table, account_id=account_id, row_id=value)
            conditions.append(column == value)
    if wanted.first_date:
        conditions.append(columns.business_date >= wanted.first_date)
    if wanted.last_date:
        conditions.append(columns.business_date <= wanted.last_date)
    return and_(*conditions)
