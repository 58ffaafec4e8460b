"""Write and find checkouts and their sales."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, bindparam, select

from engine.minor_units import to_minor
from engine.model import Checkout, Sale
from engine.model.value import Value
from server.storage.resources import get_row
from server.storage.sale_tables import checkout, sale

_FIND = select(checkout).where(
    checkout.c.account_id == bindparam("account_id"),
    checkout.c.checkout_id == bindparam("checkout_id"),
)
_INSERT_CHECKOUT = checkout.insert()
_INSERT_SALES = sale.insert()


class SaleNumbers(NamedTuple):
    """The numbers that a sale gets beside its register's: in the account and in the journal."""

    account_number: int
    journal_number: int


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
    """

    account_id: str
    content_hash: bytes
    period_number: int
    scale: int
    business_date: str
    checkout: Checkout
    document: bytes


class StoredSale(Value, frozen=True):
    """A sale of a checkout with what its row has beside it.

    Attributes:
        made: The sale.
        numbers: Its further numbers.
        document: The sale as JSON.
        personal_salt: What the journal's hash of its personal data was made with.
    """

    made: Sale
    numbers: SaleNumbers
    document: bytes
    personal_salt: bytes | None


def insert_checkout(connection: Connection, stored: StoredCheckout) -> None:
    """Write the row of a checkout."""
    made = stored.checkout
    total = sum(part.basket.total_micros for part in made.sales)
    own = {
        "checkout_id": made.identifier,
        "content_hash": stored.content_hash,
        "total_minor": to_minor(total, scale=stored.scale, name="total"),
        "customer_id": _customer_id(made),
        "document": stored.document,
    }
    connection.execute(_INSERT_CHECKOUT, _common(stored) | own)


def insert_sales(
    connection: Connection, stored: StoredCheckout, sales: Sequence[StoredSale]
) -> None:
    """Write the rows of a checkout's sales, in their order."""
    common = _common(stored)
    rows: list[dict[str, Any]] = []
    for position, each in enumerate(sales):
        summary = each.made.summary
        own = {
            "sale_id": each.made.identifier,
            "checkout_id": stored.checkout.identifier,
            "position": position,
            "kind": summary.kind.value,
            "sequence_number": each.made.sequence_number,
            "account_number": each.numbers.account_number,
            "journal_number": each.numbers.journal_number,
            "business_date": stored.business_date,
            "total_minor": to_minor(summary.total_micros, scale=stored.scale, name="total"),
            "return_reference": summary.return_reference,
            "customer_id": None if summary.customer is None else summary.customer.identifier,
            "personal_salt": each.personal_salt,
            "document": each.document,
        }
        rows.append(common | own)
    connection.execute(_INSERT_SALES, rows)


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
    """
    statement = select(sale).where(
        sale.c.account_id == account_id, sale.c.account_number > after_number
    )
    for name, value in conditions.items():
        statement = statement.where(sale.c[name] == value)
    if from_ns is not None:
        statement = statement.where(sale.c.completed_ns >= from_ns)
    if until_ns is not None:
        statement = statement.where(sale.c.completed_ns < until_ns)
    statement = statement.order_by(sale.c.account_number).limit(count)
    return list(connection.execute(statement).mappings())


def _common(stored: StoredCheckout) -> dict[str, Any]:
    """Return the columns that a checkout and its sales share."""
    made = stored.checkout
    return {
        "account_id": stored.account_id,
        "market_id": made.source.market_id,
        "shop_id": made.source.shop_id,
        "register_id": made.source.register_id,
        "period_number": stored.period_number,
        "cashier_id": made.source.cashier_id,
        "completed_ns": made.timing.timestamp_ns,
        "voided": made.voided,
        "currency_code": made.base_currency_code,
        "scale": stored.scale,
    }


def _customer_id(made: Checkout) -> str | None:
    customers = (part.basket.customer for part in made.sales)
    return next((each.identifier for each in customers if each is not None), None)
