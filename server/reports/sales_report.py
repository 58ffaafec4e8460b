"""Read the sales of a shop's day from the store, as the table that reports are made of."""

import datetime
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, Row, select

from engine.errors import Reason, WrongState, invalid
from engine.instants import zone_of
from engine.model import Timing
from engine.strict_json import shown_text
from engine.timings import local_date
from server.reports.sales_table import SoldRow, sales_table
from server.reports.sold_documents import SoldDocuments
from server.reports.writer import Writer
from server.storage import Store
from server.storage.account_tables import market, register, shop
from server.storage.places import market_from_text
from server.storage.resources import get_row
from server.storage.sale_tables import sale
from server.tables.table import Table

PAGE_SALES: Final = 250
"""How many sales are read at a time; others use the database in between."""

_NS_PER_DAY: Final = 86_400 * 10**9
_ZONES_SPAN_NS: Final = 15 * 3600 * 10**9
"""No local clock is further from UTC than this, so that an index finds the day."""

_DATE_BOUNDS: Final = ("1970-01-02", "2262-01-01")
_OLDEST: Final = (-1, -1)

_PLACE_IN_DAY = (sale.c.completed_ns, sale.c.account_number)
_COLUMNS = (*_PLACE_IN_DAY, sale.c.document)


class ShopDay(NamedTuple):
    """A day of a shop.

    Attributes:
        account_id: Whose shop it is.
        shop_id: The shop.
        shop_name: What it is called.
        register_id: The only register that counts; empty for all of the shop.
        date: The day as YYYY-MM-DD.
        timezone: IANA name of the zone of the shop.
        currency_code: Of the shop's market.
    """

    account_id: str
    shop_id: str
    shop_name: str
    register_id: str
    date: str
    timezone: str
    currency_code: str


def shop_day(
    connection: Connection,
    *,
    account_id: str,
    shop_id: str,
    register_id: str,
    date: str,
    now_ns: int,
) -> ShopDay:
    """Return a day of a shop.

    Args:
        connection: The transaction.
        account_id: Whose shop it is.
        shop_id: The shop.
        register_id: One of its registers, empty for all.
        date: The day as YYYY-MM-DD; empty for yesterday.
        now_ns: The present moment, in nanoseconds since 1970-01-01 UTC.

    Raises:
        InvalidInput: The date is none.
        NotFound: The account has no such shop, or the shop no such register.
    """
    own = get_row(connection, shop, account_id=account_id, row_id=shop_id)
    if register_id:
        found = get_row(connection, register, account_id=account_id, row_id=register_id)
        if found["shop_id"] != shop_id:
            was = shown_text(register_id)
            message = f"expected a register of the shop {shown_text(shop_id)}, was {was}"
            raise invalid("register", Reason.UNKNOWN_ID, message)
    row = get_row(connection, market, account_id=account_id, row_id=own["market_id"])
    value = market_from_text(row["document"])
    return ShopDay(
        account_id=account_id,
        shop_id=shop_id,
        shop_name=own["name"] or shop_id,
        register_id=register_id,
        date=checked_date(date) if date else yesterday(now_ns, value.timezone),
        timezone=value.timezone,
        currency_code=value.currency_code,
    )


def checked_date(text: str) -> str:
    """Return a day as YYYY-MM-DD.

    Raises:
        InvalidInput: The text is none, or outside of what moments are kept of.
    """
    try:
        day = datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        day = ""
    if not _DATE_BOUNDS[0] <= day < _DATE_BOUNDS[1]:
        message = f"expected a day such as 2026-11-22, was {shown_text(text)}"
        raise invalid("date", Reason.BAD_TIME, message)
    return day


def yesterday(now_ns: int, timezone: str) -> str:
    """Return the day before that of a moment, on the clock of a zone."""
    today = local_date(Timing(timestamp_ns=now_ns, timezone=timezone))
    day = datetime.date.fromisoformat(today) - datetime.timedelta(days=1)
    return day.isoformat()


async def sales_report(store: Store, day: ShopDay, *, language: str, count_max: int) -> Table:
    """Return the table of a day's sales, in the order of time.

    Raises:
        WrongState: There are more sales than `count_max`, or they are in several currencies.
    """
    writer = Writer(language)
    documents = SoldDocuments(day.currency_code, writer)
    rows: list[SoldRow] = []
    after = _OLDEST
    while True:

        def work(
            connection: Connection, after: tuple[int, int] = after
        ) -> tuple[list[SoldRow], tuple[int, int] | None]:
            found = _page(connection, day, after)
            last = found[-1] if len(found) == PAGE_SALES else None
            made = [documents.row(row.document, row.account_number) for row in found]
            return made, None if last is None else (last.completed_ns, last.account_number)

        page, end = await store.read(work)
        rows += page
        if len(rows) > count_max:
            message = f"expected at most {count_max} sales in this format, was more"
            raise WrongState(f"{message}: choose csv, or one register at a time")
        if end is None:
            break
        after = end
    return sales_table(
        rows,
        shop=day.shop_name,
        date=day.date,
        currency_code=day.currency_code,
        timezone=day.timezone,
        writer=writer,
    )


def _page(
    connection: Connection, day: ShopDay, after: tuple[int, int]
) -> Sequence[Row[int, int, bytes]]:
    """Return the next sales of a day; the day is the one that was recorded with each."""
    midnight = datetime.datetime.combine(
        datetime.date.fromisoformat(day.date), datetime.time(), tzinfo=zone_of("UTC")
    )
    start_ns = int(midnight.timestamp()) * 10**9
    first_ns = max(start_ns - _ZONES_SPAN_NS, after[0])
    statement = (
        select(*_COLUMNS)
        .where(
            sale.c.account_id == day.account_id,
            sale.c.completed_ns >= first_ns,
            sale.c.completed_ns < start_ns + _NS_PER_DAY + _ZONES_SPAN_NS,
            sale.c.business_date == day.date,
            sale.c.shop_id == day.shop_id,
        )
        .order_by(*_PLACE_IN_DAY)
        .limit(PAGE_SALES)
    )
    if after != _OLDEST:
        completed, number = _PLACE_IN_DAY
        later = (completed > after[0]) | ((completed == after[0]) & (number > after[1]))
        statement = statement.where(later)
    if day.register_id:
        statement = statement.where(sale.c.register_id == day.register_id)
    return connection.execute(statement).all()
