"""The tables of orders, those that a shop hands out and those placed elsewhere, and of changes."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, Table

from server.storage.columns import METADATA, account_id, key, moment, number, text

placed_order = Table(
    "placed_order",
    METADATA,
    account_id(),
    key("direction"),
    key("stock_location_id"),
    key("order_id"),
    number("order_number"),
    text("kind"),
    text("state"),
    moment("created_ns"),
    moment("last_change_ns"),
    text("last_change_by", is_nullable=True),
    text("last_change_comment", is_nullable=True),
    Column("document", LargeBinary, nullable=False),
    ForeignKeyConstraint(["account_id", "stock_location_id"], ["shop.account_id", "shop.shop_id"]),
    Index(None, "account_id", "direction", "order_number", unique=True),
)
"""direction: incoming or outgoing; order_number: the order in which they came.

last_change_by: engine.model.order.Cashier as JSON; document: the order as JSON."""

order_change = Table(
    "order_change",
    METADATA,
    account_id(),
    key("change_id"),
    text("direction"),
    text("stock_location_id"),
    text("order_id"),
    text("state"),
    moment("changed_ns"),
    text("changed_by", is_nullable=True),
    text("comment", is_nullable=True),
    ForeignKeyConstraint(
        ["account_id", "direction", "stock_location_id", "order_id"],
        [
            "placed_order.account_id",
            "placed_order.direction",
            "placed_order.stock_location_id",
            "placed_order.order_id",
        ],
    ),
)
"""The changes that tills made, by the ids that they chose, so that each is made once."""
