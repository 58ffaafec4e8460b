"""Keep quotes: given once, collected once, before they expire."""

from collections.abc import Sequence
from enum import Enum

from sqlalchemy import Connection, RowMapping, or_, select, update

from engine.errors import AlreadyExists, FieldProblem, Reason, WrongState
from engine.fields import read_whole
from engine.minor_units import to_minor
from engine.model import SaleSummary
from engine.model.value import Value
from engine.records.sales import summary_of
from engine.render_line import ENCODER
from engine.render_sale import SaleWriter
from engine.strict_json import decode, shown_text
from server.storage.basket_tables import quote
from server.storage.resources import Page, find_row, get_row


class QuoteState(Enum):
    """Whether a quote can be collected; what is stored of an expired one is `created`."""

    CREATED = "created"
    COLLECTED = "collected"
    EXPIRED = "expired"


class StoredQuote(Value, frozen=True):
    """A quote: where it was given, the agreed lines with their totals, and its state.

    Attributes:
        quote_id: Made by the till.
        content_hash: SHA-256 of the request that made it.
        market_id: Where it was given.
        shop_id: Where it was given.
        register_id: Where it was given.
        cashier_id: By whom.
        summary: The agreed lines with their totals.
        currency_code: The currency of the amounts.
        scale: Digits after the point of the currency's minor unit.
        created_ns: When it was given.
        expires_ns: From when on it cannot be collected; None for never.
        is_collected: Whether it was collected.
        checkout_id: By which checkout.
    """

    quote_id: str
    content_hash: bytes
    market_id: str
    shop_id: str
    register_id: str
    cashier_id: str
    summary: SaleSummary
    currency_code: str
    scale: int
    created_ns: int
    expires_ns: int | None
    is_collected: bool = False
    checkout_id: str | None = None

    def state(self, now_ns: int) -> QuoteState:
        """Return the state at a moment."""
        if self.is_collected:
            return QuoteState.COLLECTED
        if self.expires_ns is not None and self.expires_ns <= now_ns:
            return QuoteState.EXPIRED
        return QuoteState.CREATED


def insert_quote(connection: Connection, made: StoredQuote, *, account_id: str) -> None:
    """Write a new quote."""
    summary = made.summary
    connection.execute(
        quote.insert().values(
            account_id=account_id,
            quote_id=made.quote_id,
            content_hash=made.content_hash,
            market_id=made.market_id,
            shop_id=made.shop_id,
            register_id=made.register_id,
            cashier_id=made.cashier_id,
            state=QuoteState.CREATED.value,
            created_ns=made.created_ns,
            expires_ns=made.expires_ns,
            customer_id=None if summary.customer is None else summary.customer.identifier,
            currency_code=made.currency_code,
            scale=made.scale,
            total_minor=to_minor(summary.total_micros, scale=made.scale, name="total"),
            document=ENCODER.encode(SaleWriter(made.currency_code).sale_summary(summary)),
        )
    )


def find_given(
    connection: Connection, *, account_id: str, quote_id: str, content_hash: bytes
) -> StoredQuote | None:
    """Return the quote that an earlier request with the same id has made, None without one.

    Raises:
        AlreadyExists: The id was used for another content.
    """
    row = find_row(connection, quote, account_id=account_id, row_id=quote_id)
    if row is None:
        return None
    if row["content_hash"] != content_hash:
        was = shown_text(quote_id)
        raise AlreadyExists(f"expected the content that was sent as {was} before, was another")
    return quote_of(row)


def find_quote(connection: Connection, *, account_id: str, quote_id: str) -> StoredQuote | None:
    """Return a quote, None when the account has none of this id."""
    row = find_row(connection, quote, account_id=account_id, row_id=quote_id)
    return None if row is None else quote_of(row)


def get_quote(connection: Connection, *, account_id: str, quote_id: str) -> StoredQuote:
    """Return a quote.

    Raises:
        NotFound: The account has no such quote.
    """
    return quote_of(get_row(connection, quote, account_id=account_id, row_id=quote_id))


def list_quotes(
    connection: Connection,
    *,
    account_id: str,
    conditions: dict[str, str],
    state: QuoteState | None,
    now_ns: int,
    after_id: str,
    count: int,
) -> Page:
    """Return the rows of quotes after an id, in the order of their ids.

    Args:
        connection: The transaction.
        account_id: Whose quotes are listed.
        conditions: What further columns are equal to.
        state: The state at `now_ns`, None for all.
        now_ns: The moment, in nanoseconds since 1970-01-01 UTC.
        after_id: The last id of the page before, empty for the first page.
        count: How many rows at most.
    """
    statement = select(quote).where(quote.c.account_id == account_id, quote.c.quote_id > after_id)
    for name, value in conditions.items():
        statement = statement.where(quote.c[name] == value)
    if state is QuoteState.COLLECTED:
        statement = statement.where(quote.c.state == QuoteState.COLLECTED.value)
    elif state is not None:
        statement = statement.where(quote.c.state == QuoteState.CREATED.value)
        is_expired = quote.c.expires_ns <= now_ns
        is_open = or_(quote.c.expires_ns.is_(None), quote.c.expires_ns > now_ns)
        statement = statement.where(is_expired if state is QuoteState.EXPIRED else is_open)
    statement = statement.order_by(quote.c.quote_id).limit(count + 1)
    found = connection.execute(statement).mappings().all()
    return Page(rows=list(found[:count]), has_more=len(found) > count)


def collect_quotes(
    connection: Connection,
    *,
    account_id: str,
    quote_ids: Sequence[str],
    checkout_id: str,
    now_ns: int,
) -> None:
    """Mark quotes as collected by a checkout.

    Raises:
        NotFound: The account has no such quote.
        WrongState: A quote was collected before, or has expired.
    """
    for quote_id in sorted(quote_ids):
        row = get_row(connection, quote, account_id=account_id, row_id=quote_id, is_locked=True)
        state = quote_of(row).state(now_ns)
        if state is not QuoteState.CREATED:
            reason = Reason.COLLECTED if state is QuoteState.COLLECTED else Reason.EXPIRED
            message = f"expected an open quote, was {state.value}: {shown_text(quote_id)}"
            raise WrongState(message, (FieldProblem("basket.quotes", reason, message),))
        connection.execute(
            update(quote)
            .where(quote.c.account_id == account_id, quote.c.quote_id == quote_id)
            .values(state=QuoteState.COLLECTED.value, checkout_id=checkout_id)
        )


def quote_of(row: RowMapping) -> StoredQuote:
    """Return the quote of a row."""
    return StoredQuote(
        quote_id=row["quote_id"],
        content_hash=row["content_hash"],
        market_id=row["market_id"],
        shop_id=row["shop_id"],
        register_id=row["register_id"],
        cashier_id=row["cashier_id"],
        summary=read_whole(decode(row["document"]), summary_of),
        currency_code=row["currency_code"],
        scale=row["scale"],
        created_ns=row["created_ns"],
        expires_ns=row["expires_ns"],
        is_collected=row["state"] == QuoteState.COLLECTED.value,
        checkout_id=row["checkout_id"],
    )
