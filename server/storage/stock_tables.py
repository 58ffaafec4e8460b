"""The tables of stock: levels, the events that made them, and stock counts."""

from sqlalchemy import ForeignKeyConstraint, Index, Table

from server.storage.columns import METADATA, account_id, key, moment, number, numbered, text


def _located() -> ForeignKeyConstraint:
    """Return the reference to the shop whose stock it is."""
    return ForeignKeyConstraint(
        ["account_id", "stock_location_id"], ["shop.account_id", "shop.shop_id"]
    )


stock_level = Table(
    "stock_level",
    METADATA,
    account_id(),
    key("stock_location_id"),
    key("product_id"),
    key("variant_id"),
    number("quantity_micros"),
    _located(),
)
"""How much is where; variant_id is empty for a product without variants."""

stock_event = Table(
    "stock_event",
    METADATA,
    account_id(),
    numbered("event_number"),
    text("stock_location_id"),
    text("product_id"),
    text("variant_id"),
    text("type"),
    moment("timestamp_ns"),
    number("adjustment_micros", is_nullable=True),
    number("new_stock_value_micros", is_nullable=True),
    text("sale_id", is_nullable=True),
    text("stock_count_id", is_nullable=True),
    number("stock_count_expected_micros", is_nullable=True),
    number("stock_count_diff_micros", is_nullable=True),
    text("request_id", is_nullable=True),
    _located(),
    Index(None, "account_id", "stock_location_id", "event_number"),
    Index(None, "account_id", "request_id"),
)
"""Every change of a level, in its order. request_id: of the call that made it, if it had one."""

stock_count = Table(
    "stock_count",
    METADATA,
    account_id(),
    key("stock_count_id"),
    text("stock_location_id"),
    text("state"),
    moment("started_ns"),
    moment("ended_ns", is_nullable=True),
    text("comment", is_nullable=True),
    _located(),
)
"""Stock counts, open and ended."""

stock_count_line = Table(
    "stock_count_line",
    METADATA,
    account_id(),
    key("stock_count_id"),
    key("product_id"),
    key("variant_id"),
    number("counted_micros"),
    ForeignKeyConstraint(
        ["account_id", "stock_count_id"], ["stock_count.account_id", "stock_count.stock_count_id"]
    ),
)
"""What was counted so far."""
