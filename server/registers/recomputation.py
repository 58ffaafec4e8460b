"""Add up the stored sales of a period again, and compare them with the totals that are stored."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, RowMapping, func, select

from engine.differences import first_difference
from engine.errors import NotFound, TillcoreError
from engine.model.register import RegisterSummary
from engine.model.value import Value
from engine.records.sales import read_sale
from engine.register.columns import ColumnTotals
from engine.register.summary import summarise
from engine.register.totals import RegisterTotals
from engine.strict_json import decode, shown_text
from server.storage import Store
from server.storage.closes import find_close_of_period, statement_of
from server.storage.periods import Period, totals_from_text
from server.storage.register_tables import register_period
from server.storage.sale_tables import sale

SALES_A_STEP: Final = 500
"""How many sales are read and added at once; between them others have their turn."""


class PeriodName(Value, frozen=True):
    """What names a period."""

    account_id: str
    register_id: str
    period_number: int


class Recomputed(Value, frozen=True):
    """What adding up the sales of a period again has found.

    Attributes:
        sale_count: How many sales there were.
        difference: The first number that is stored as another one; None when all are the same.
    """

    sale_count: int
    difference: str | None


class _Stored(NamedTuple):
    """What the store has of a period: its totals, and those of its close where it has one."""

    period: Period
    close: RowMapping | None
    last_number: int


class _Sums:
    """The sums of the sales so far; the first bad one ends them."""

    def __init__(self, stored: _Stored) -> None:
        self.totals = ColumnTotals(stored.period.currency_code, scale=stored.period.scale)
        self.sale_count = 0
        self.last_number = 0

    def add(self, sequence_number: int, document: bytes) -> None:
        """Add the sale of a row.

        Raises:
            TillcoreError: It cannot be read, or contradicts itself.
        """
        if not self.totals.add_document(document):
            self.totals.add(read_sale(decode(document)))
        self.sale_count += 1
        self.last_number = sequence_number


async def recompute(
    store: Store, name: PeriodName, *, on_sales: Callable[[int], None] = lambda _: None
) -> Recomputed:
    """Add up the sales of a period step by step, and compare.

    Of an open period these are the sales that its totals had at the beginning.

    Args:
        store: Has the sales.
        name: The period.
        on_sales: Called with the number of sales of each step.

    Raises:
        NotFound: There is no such period.
        StoreUnavailable: The database does not answer.
    """
    stored = await store.read(lambda connection: _look(connection, name))
    sums = _Sums(stored)
    while sums.last_number < stored.last_number:
        rows = await store.read(
            lambda connection: _sales(
                connection, name, after=sums.last_number, last=stored.last_number
            )
        )
        for sale_id, sequence_number, document in rows:
            try:
                sums.add(sequence_number, document)
            except TillcoreError as error:
                difference = f"sale {shown_text(sale_id)}: {error.message}"
                return Recomputed(sale_count=sums.sale_count, difference=difference)
        on_sales(len(rows))
    return Recomputed(sale_count=sums.sale_count, difference=_difference(stored, sums))


def _look(connection: Connection, name: PeriodName) -> _Stored:
    """Return what is stored of a period, and how far its sales go, at one moment."""
    columns = register_period.c
    own = select(register_period).where(
        columns.account_id == name.account_id,
        columns.register_id == name.register_id,
        columns.period_number == name.period_number,
    )
    row = connection.execute(own).mappings().first()
    if row is None:
        where = f"register {shown_text(name.register_id)}"
        raise NotFound(f"expected a period of {where}, was {name.period_number}")
    last = select(func.max(sale.c.sequence_number)).where(*_of(name))
    return _Stored(
        period=Period(row),
        close=find_close_of_period(
            connection,
            account_id=name.account_id,
            register_id=name.register_id,
            period_number=name.period_number,
        ),
        last_number=connection.execute(last).scalar_one() or 0,
    )


def _sales(
    connection: Connection, name: PeriodName, *, after: int, last: int
) -> Sequence[Row[str, int, bytes]]:
    """Return id, number and document of the next sales of a period."""
    number = sale.c.sequence_number
    statement = select(sale.c.sale_id, number, sale.c.document).where(
        *_of(name), number > after, number <= last
    )
    return connection.execute(statement.order_by(number).limit(SALES_A_STEP)).all()


def _of(name: PeriodName) -> tuple[ColumnElement[bool], ...]:
    return (
        sale.c.account_id == name.account_id,
        sale.c.register_id == name.register_id,
        sale.c.period_number == name.period_number,
    )


def _difference(stored: _Stored, sums: _Sums) -> str | None:
    """Return the first number that is stored as another one than the sums have."""
    period = stored.period
    expected = _summary(sums.totals.totals(), period)
    pairs: list[tuple[str, object, object]] = [
        ("totals", expected, _summary(period.totals, period)),
        ("journal_totals", sums.totals.journal_totals(), period.journal_totals),
    ]
    if stored.close is not None:
        closed = _summary(totals_from_text(stored.close["totals"]), period)
        pairs.append(("closed_totals", expected, closed))
        try:
            statement = statement_of(stored.close)
        except TillcoreError as error:
            return f"register_close_statement: {error.message}"
        pairs.append(("register_close_statement", expected, statement.register_summary))
    differences = (first_difference(one, other, name) for name, one, other in pairs)
    return next((each for each in differences if each is not None), None)


def _summary(totals: RegisterTotals, period: Period) -> RegisterSummary:
    """Return the summary of a period, whatever its size."""
    value = period.value()
    return summarise(totals, value, value.event_counts)
