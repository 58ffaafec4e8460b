"""Follow what evaluation takes from the account's own tables: markets, shops, purchase types.

They are written into the catalogue of each market as one more entry, in the transaction that
changes them, so that a revision is whole and can be evaluated under later.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from sqlalchemy import Connection, RowMapping, select

from engine.errors import WrongState
from engine.model import L10nString, Market, PurchaseType
from engine.model.value import Value
from engine.strict_json import shown_text
from server.storage import catalogs
from server.storage.account_tables import market as market_table
from server.storage.account_tables import purchase_type
from server.storage.catalogs import Changes, Entry, Key
from server.storage.places import get_market

SETTINGS: Final = "settings"
"""The kind of the entry that has the settings of its market."""

_KEY: Final = Key(SETTINGS, SETTINGS)
_NAME = msgspec.json.Decoder(L10nString)


class Settings(Value, frozen=True):
    """A market with the ids of its shops, and the purchase types of the account."""

    market: Market
    purchase_types: tuple[PurchaseType, ...] = ()


_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Settings)


def settings_from_text(text: str) -> Settings:
    """Return the settings of their document."""
    return _DECODER.decode(text)


def read_settings(connection: Connection, market: Market, *, account_id: str) -> Settings:
    """Return the present settings of a market."""
    statement = select(purchase_type.c.purchase_type_id, purchase_type.c.name)
    statement = statement.where(purchase_type.c.account_id == account_id)
    rows = connection.execute(statement.order_by(purchase_type.c.purchase_type_id))
    types = tuple(PurchaseType(id=id_, name=_NAME.decode(name)) for id_, name in rows)
    return Settings(market=market, purchase_types=types)


def put_settings(
    connection: Connection, changes: Changes, market: Market, *, account_id: str
) -> None:
    """Write the present settings among the changes of their market."""
    settings = read_settings(connection, market, account_id=account_id)
    before = changes.find([_KEY]).get(_KEY)
    changes.put(_KEY, before, Entry(document=_ENCODER.encode(settings).decode()))


def record_settings(
    connection: Connection,
    *,
    account_id: str,
    market_ids: Iterable[str] | None = None,
    now_ns: int,
) -> None:
    """Write the settings of markets after a change; without ids of all markets of the account."""
    if market_ids is None:
        own = select(market_table.c.market_id).where(market_table.c.account_id == account_id)
        market_ids = connection.execute(own).scalars().all()
    for market_id in sorted(market_ids):
        changes = Changes(connection, account_id=account_id, market_id=market_id, now_ns=now_ns)
        market = get_market(connection, account_id=account_id, market_id=market_id)
        put_settings(connection, changes, market, account_id=account_id)
        changes.finish()


CHANGING: Final = frozenset({"market", "shop", "purchase_type"})
"""What evaluation depends on among the things that an account consists of, by noun."""


def record_change(connection: Connection, row: RowMapping, *, noun: str, now_ns: int) -> None:
    """Write the settings of the markets that a row of the account's own tables is about.

    Args:
        connection: The transaction that has changed the row.
        row: The row as it was, or is.
        noun: What it is: `market`, `shop`, `purchase_type`; nothing is to be done for others.
        now_ns: The moment, in nanoseconds since 1970-01-01 UTC.
    """
    if noun in CHANGING:
        market_ids = None if noun == "purchase_type" else (row["market_id"],)
        record_settings(
            connection, account_id=row["account_id"], market_ids=market_ids, now_ns=now_ns
        )


def prepare_removal(connection: Connection, row: RowMapping, *, noun: str) -> None:
    """Let a market or a shop go from the catalogue before its row is removed.

    Raises:
        WrongState: Something that was imported for it is still there.
    """
    if noun == "market":
        forget_market(connection, account_id=row["account_id"], market_id=row["market_id"])
    elif noun == "shop":
        check_no_copies(
            connection,
            account_id=row["account_id"],
            market_id=row["market_id"],
            shop_id=row["shop_id"],
        )


def forget_market(connection: Connection, *, account_id: str, market_id: str) -> None:
    """Remove what is kept of a market's catalogue before the market itself is.

    Raises:
        WrongState: Something was imported into the market and is still there.
    """
    catalogs.lock_head(connection, account_id=account_id, market_id=market_id)
    if catalogs.has_entries(
        connection, account_id=account_id, market_id=market_id, besides=SETTINGS
    ):
        expected = "expected a market with an empty catalogue"
        raise WrongState(f"{expected}, was {shown_text(market_id)}, which has entries")
    catalogs.forget_market(connection, account_id=account_id, market_id=market_id)


def check_no_copies(
    connection: Connection, *, account_id: str, market_id: str, shop_id: str
) -> None:
    """Refuse to remove a shop that has copies of products of its own.

    Raises:
        WrongState: It has.
    """
    shops = catalogs.shops_with_copies(connection, account_id=account_id, market_id=market_id)
    if shop_id in shops:
        expected = "expected a shop without copies of products of its own"
        raise WrongState(f"{expected}, was {shown_text(shop_id)}, which has some")
