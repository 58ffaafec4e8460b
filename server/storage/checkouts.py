"""Write and find checkouts and their sales."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, bindparam, select

from engine.minor_units import to_minor
from engine.model import Checkout
from engine.model.value import Value
from server.storage.resources import get_row
from server.storage.sale_tables import checkout, sale
from server.storage.statements import RowsInsert

_FIND = select(checkout).where(
    checkout.c.account_id == bindparam("account_id"),
    checkout.c.checkout_id == bindparam("checkout_id"),
)
_KNOWN = select(checkout.c.checkout_id).where(
    checkout.c.account_id == bindparam("account_id"),
    checkout.c.checkout_id.in_(bindparam("checkout_ids", expanding=True)),
)
_INSERT_CHECKOUTS = RowsInsert(checkout)
_INSERT_SALES = RowsInsert(sale)


class SaleNumbers(NamedTuple):
    """The numbers that a sale gets beside its register's: in the account and in the journal."""

    account_number: int
    journal_number: int


class StoredSale(Value, frozen=True):
    """What the row of a sale has beside its part of the checkout.

    Attributes:
        numbers: Its further numbers.
        document: The sale as JSON.
        personal_salt: What the journal's hash of its personal data was made with.
    """

    numbers: SaleNumbers
    document: bytes
    personal_salt: bytes | None


class StoredCheckout(Value, frozen=True):
    """A checkout with what its rows have beside it.

    Attributes:
        account_id: Whose it is.
        content_hash: SHA-256 of the request that made it.
        period_number: The register's period that it counts in.
        scale: Digits after the point of the currency's minor unit.
        business_date: Its local day as YYYY-MM-DD.
        checkout: The checkout.
        document: The checkout as JSON.
        sales: What the rows of its sales have beside them, in their order.
    """

    account_id: str
    content_hash: bytes
    period_number: int
    scale: int
    business_date: str
    checkout: Checkout
    document: bytes
    sales: tuple[StoredSale, ...]


def insert_checkouts(connection: Connection, stored: Sequence[StoredCheckout]) -> None:
    """Write the rows of checkouts and then those of their sales, in their order."""
    _INSERT_CHECKOUTS.execute(connection, list(map(_checkout_row, stored)))
    _INSERT_SALES.execute(connection, [row for each in stored for row in _sale_rows(each)])


def known_ids(
    connection: Connection, *, account_id: str, checkout_ids: Sequence[str]
) -> frozenset[str]:
    """Return which of some checkouts are recorded."""
    values = {"account_id": account_id, "checkout_ids": list(checkout_ids)}
    return frozenset(connection.execute(_KNOWN, values).scalars())


def find_checkout(
    connection: Connection, *, account_id: str, checkout_id: str
) -> RowMapping | None:
    """Return the row of a checkout, None when there is none."""
    names = {"account_id": account_id, "checkout_id": checkout_id}
    return connection.execute(_FIND, names).mappings().first()


def get_checkout(connection: Connection, *, account_id: str, checkout_id: str) -> RowMapping:
    """Return the row of a checkout.

    Raises:
        NotFound: The account has no such checkout.
    """
    return get_row(connection, checkout, account_id=account_id, row_id=checkout_id)


def get_sale(
    connection: Connection, *, account_id: str, sale_id: str, is_locked: bool = False
) -> RowMapping:
    """Return the row of a sale.

    Raises:
        NotFound: The account has no such sale.
    """
    return get_row(connection, sale, account_id=account_id, row_id=sale_id, is_locked=is_locked)


def sale_numbers(
    connection: Connection, *, account_id: str, checkout_id: str
) -> tuple[SaleNumbers, ...]:
    """Return the numbers of a checkout's sales, in their order."""
    statement = select(sale.c.account_number, sale.c.journal_number).where(
        sale.c.account_id == account_id, sale.c.checkout_id == checkout_id
    )
    rows = connection.execute(statement.order_by(sale.c.position))
    return tuple(SaleNumbers(row.account_number, row.journal_number) for row in rows)


def list_sales(
    connection: Connection,
    *,
    account_id: str,
    conditions: Mapping[str, Any],
    from_ns: int | None,
    until_ns: int | None,
    after_number: int,
    count: int,
    is_newest_first: bool = False,
) -> list[RowMapping]:
    """Return sales in the order of their numbers in the account.

    Args:
        connection: The transaction.
        account_id: Whose sales are listed.
        conditions: What further columns are equal to.
        from_ns: The first moment, None for no bound.
        until_ns: The moment after the last one, None for no bound.
        after_number: The last number of the page before, 0 for the first page.
        count: How many at most.
        is_newest_first: Whether they are in the opposite order.
    """
    number = sale.c.account_number
    statement = select(sale).where(sale.c.account_id == account_id)
    if after_number:
        statement = statement.where(
            number < after_number if is_newest_first else number > after_number
        )
    for name, value in conditions.items():
        statement = statement.where(sale.c[name] == value)
    if from_ns is not None:
        statement = statement.where(sale.c.completed_ns >= from_ns)
    if until_ns is not None:
        statement = statement.where(sale.c.completed_ns < until_ns)
    statement = statement.order_by(number.desc() if is_newest_first else number).limit(count)
    return list(connection.execute(statement).mappings())


def _checkout_row(stored: StoredCheckout) -> tuple[object, ...]:
    """Return the row of a checkout, in the order of the columns of its table."""
    made, at = stored.checkout, stored.checkout.source
    total = sum(part.basket.total_micros for part in made.sales)
    return (
        stored.account_id,
        made.identifier,
        stored.content_hash,
        at.market_id,
        at.shop_id,
        at.register_id,
        stored.period_number,
        at.cashier_id,
        made.timing.timestamp_ns,
        made.voided,
        made.base_currency_code,
        stored.scale,
        to_minor(total, scale=stored.scale, name="total"),
        _customer_id(made),
        stored.document,
    )


def _sale_rows(stored: StoredCheckout) -> Iterator[tuple[object, ...]]:
    """Yield the rows of a checkout's sales, in the order of the columns of their table."""
    made, at = stored.checkout, stored.checkout.source
    for position, each in enumerate(stored.sales):
        part, summary = made.sales[position], made.sales[position].basket
        yield (
            stored.account_id,
            part.identifier,
            made.identifier,
            position,
            summary.kind.value,
            made.voided,
            at.market_id,
            at.shop_id,
            at.register_id,
            stored.period_number,
            at.cashier_id,
            part.sequence_number,
            each.numbers.account_number,
            each.numbers.journal_number,
            made.timing.timestamp_ns,
            stored.business_date,
            made.base_currency_code,
            stored.scale,
            to_minor(summary.total_micros, scale=stored.scale, name="total"),
            summary.return_reference,
            None if summary.customer is None else summary.customer.identifier,
            each.personal_salt,
            each.document,
        )


def _customer_id(made: Checkout) -> str | None:
    customers = (part.basket.customer for part in made.sales)
    return next((each.identifier for each in customers if each is not None), None)
