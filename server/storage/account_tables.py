"""The tables of an account and what it consists of: markets, shops, registers, cashiers, types."""

from sqlalchemy import Boolean, Column, ForeignKeyConstraint, Index, Table

from server.storage.columns import METADATA, account_id, key, moment, number, text


def _history() -> tuple[Column[int], ...]:
    """Return the columns of a row that is changed in place: how often, and when."""
    return (number("revision"), moment("created_ns"), moment("updated_ns"))


def _belongs_to(table: str, *columns: str) -> ForeignKeyConstraint:
    """Return the reference to a row of the same account."""
    own = ["account_id", *columns]
    return ForeignKeyConstraint(own, [f"{table}.{column}" for column in own])


account = Table(
    "account",
    METADATA,
    account_id(),
    text("name"),
    *_history(),
)
"""The merchants; every other row belongs to one of them."""

market = Table(
    "market",
    METADATA,
    account_id(),
    key("market_id"),
    text("name"),
    text("currency_code"),
    text("document"),
    *_history(),
    _belongs_to("account"),
)
"""document: engine.model.Market as JSON, without its shops."""

shop = Table(
    "shop",
    METADATA,
    account_id(),
    key("shop_id"),
    text("market_id"),
    text("name"),
    text("document"),
    *_history(),
    _belongs_to("market", "market_id"),
    Index(None, "account_id", "market_id"),
)
"""document: engine.model.ReceiptMetadata as JSON: what receipts show of the shop."""

register = Table(
    "register",
    METADATA,
    account_id(),
    key("register_id"),
    text("shop_id"),
    text("name"),
    *_history(),
    _belongs_to("shop", "shop_id"),
    Index(None, "account_id", "shop_id"),
)
"""The tills."""

cashier = Table(
    "cashier",
    METADATA,
    account_id(),
    key("cashier_id"),
    text("display_name"),
    text("full_name"),
    text("image_url"),
    *_history(),
    _belongs_to("account"),
)
"""The persons at the tills; data in a sale, not a login."""

payment_type = Table(
    "payment_type",
    METADATA,
    account_id(),
    key("payment_type_id"),
    text("name"),
    text("payment_group"),
    Column("should_be_reconciled", Boolean, nullable=False),
    *_history(),
    _belongs_to("account"),
)
"""Means of payment; payment_group is the part of the id before its first dot."""

purchase_type = Table(
    "purchase_type",
    METADATA,
    account_id(),
    key("purchase_type_id"),
    text("name"),
    *_history(),
    _belongs_to("account"),
)
"""name: a localized text as JSON."""
