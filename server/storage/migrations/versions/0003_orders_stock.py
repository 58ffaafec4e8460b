"""Orders, stock and stock counts."""

import sqlalchemy as sa
from alembic import op

revision = "0003_orders_stock"
down_revision = "0002_sales"


def upgrade() -> None:
    """Make the tables of orders and stock."""
    _placed_order()
    _order_change()
    _stock_level()
    _stock_event()
    _stock_count()


def _placed_order() -> None:
    """Make the orders."""
    op.create_table(
        "placed_order",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("stock_location_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("order_number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_change_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_change_by", sa.Text(), nullable=True),
        sa.Column("last_change_comment", sa.Text(), nullable=True),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "stock_location_id"],
            ["shop.account_id", "shop.shop_id"],
            name="fk_placed_order_shop",
        ),
        sa.PrimaryKeyConstraint(
            "account_id", "direction", "stock_location_id", "order_id", name="pk_placed_order"
        ),
    )
    op.create_index(
        "ix_placed_order_account_id_direction_order_number",
        "placed_order",
        ["account_id", "direction", "order_number"],
        unique=True,
    )


def _order_change() -> None:
    """Make the changes of orders."""
    op.create_table(
        "order_change",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("change_id", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("stock_location_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id", "direction", "stock_location_id", "order_id"],
            [
                "placed_order.account_id",
                "placed_order.direction",
                "placed_order.stock_location_id",
                "placed_order.order_id",
            ],
            name="fk_order_change_placed_order",
        ),
        sa.PrimaryKeyConstraint("account_id", "change_id", name="pk_order_change"),
    )


def _stock_level() -> None:
    """Make the levels of stock."""
    op.create_table(
        "stock_level",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("stock_location_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("variant_id", sa.Text(), nullable=False),
        sa.Column("quantity_micros", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "stock_location_id"],
            ["shop.account_id", "shop.shop_id"],
            name="fk_stock_level_shop",
        ),
        sa.PrimaryKeyConstraint(
            "account_id", "stock_location_id", "product_id", "variant_id", name="pk_stock_level"
        ),
    )


def _stock_event() -> None:
    """Make the events that changed stock."""
    op.create_table(
        "stock_event",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("event_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stock_location_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("variant_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("timestamp_ns", sa.BigInteger(), nullable=False),
        sa.Column("adjustment_micros", sa.BigInteger(), nullable=True),
        sa.Column("new_stock_value_micros", sa.BigInteger(), nullable=True),
        sa.Column("sale_id", sa.Text(), nullable=True),
        sa.Column("stock_count_id", sa.Text(), nullable=True),
        sa.Column("stock_count_expected_micros", sa.BigInteger(), nullable=True),
        sa.Column("stock_count_diff_micros", sa.BigInteger(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id", "stock_location_id"],
            ["shop.account_id", "shop.shop_id"],
            name="fk_stock_event_shop",
        ),
        sa.PrimaryKeyConstraint("account_id", "event_number", name="pk_stock_event"),
    )
    op.create_index(
        "ix_stock_event_account_id_request_id",
        "stock_event",
        ["account_id", "request_id"],
        unique=False,
    )
    op.create_index(
        "ix_stock_event_account_id_stock_location_id_event_number",
        "stock_event",
        ["account_id", "stock_location_id", "event_number"],
        unique=False,
    )


def _stock_count() -> None:
    """Make the stock counts and their lines."""
    op.create_table(
        "stock_count",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("stock_count_id", sa.Text(), nullable=False),
        sa.Column("stock_location_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id", "stock_location_id"],
            ["shop.account_id", "shop.shop_id"],
            name="fk_stock_count_shop",
        ),
        sa.PrimaryKeyConstraint("account_id", "stock_count_id", name="pk_stock_count"),
    )
    op.create_table(
        "stock_count_line",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("stock_count_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("variant_id", sa.Text(), nullable=False),
        sa.Column("counted_micros", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "stock_count_id"],
            ["stock_count.account_id", "stock_count.stock_count_id"],
            name="fk_stock_count_line_stock_count",
        ),
        sa.PrimaryKeyConstraint(
            "account_id", "stock_count_id", "product_id", "variant_id", name="pk_stock_count_line"
        ),
    )
    # ### end Alembic commands ###
