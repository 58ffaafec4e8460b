"""The stored catalogue."""

import sqlalchemy as sa
from alembic import op

revision = "0004_catalog"
down_revision = "0003_orders_stock"


def upgrade() -> None:
    """Make the tables of the catalogue."""
    _catalog_head()
    _catalog_entry()
    _catalog_past()
    _catalog_revision()
    _catalog_tag()


def _catalog_head() -> None:
    """Make the heads of catalogues."""
    op.create_table(
        "catalog_head",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("market_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.account_id"], name="fk_catalog_head_account"
        ),
        sa.PrimaryKeyConstraint("account_id", "market_id", name="pk_catalog_head"),
    )


def _catalog_entry() -> None:
    """Make the entries of catalogues."""
    op.create_table(
        "catalog_entry",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("market_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("product_group", sa.Text(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "market_id"],
            ["catalog_head.account_id", "catalog_head.market_id"],
            name="fk_catalog_entry_catalog_head",
        ),
        sa.PrimaryKeyConstraint(
            "account_id", "market_id", "kind", "entry_id", "shop_id", name="pk_catalog_entry"
        ),
    )
    op.create_index(
        "ix_catalog_entry_account_id_market_id_revision",
        "catalog_entry",
        ["account_id", "market_id", "revision"],
        unique=False,
    )


def _catalog_past() -> None:
    """Make what entries were before."""
    op.create_table(
        "catalog_past",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("market_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("until_revision", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "market_id"],
            ["catalog_head.account_id", "catalog_head.market_id"],
            name="fk_catalog_past_catalog_head",
        ),
        sa.PrimaryKeyConstraint(
            "account_id",
            "market_id",
            "kind",
            "entry_id",
            "shop_id",
            "revision",
            name="pk_catalog_past",
        ),
    )
    op.create_index(
        "ix_catalog_past_account_id_market_id_until_revision",
        "catalog_past",
        ["account_id", "market_id", "until_revision"],
        unique=False,
    )


def _catalog_revision() -> None:
    """Make the revisions of catalogues."""
    op.create_table(
        "catalog_revision",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("market_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "market_id"],
            ["catalog_head.account_id", "catalog_head.market_id"],
            name="fk_catalog_revision_catalog_head",
        ),
        sa.PrimaryKeyConstraint("account_id", "market_id", "revision", name="pk_catalog_revision"),
    )


def _catalog_tag() -> None:
    """Make the tags of products."""
    op.create_table(
        "catalog_tag",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("market_id", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "market_id"],
            ["catalog_head.account_id", "catalog_head.market_id"],
            name="fk_catalog_tag_catalog_head",
        ),
        sa.PrimaryKeyConstraint(
            "account_id", "market_id", "tag", "entry_id", "shop_id", name="pk_catalog_tag"
        ),
    )
    op.create_index(
        "ix_catalog_tag_account_id_market_id_entry_id_shop_id",
        "catalog_tag",
        ["account_id", "market_id", "entry_id", "shop_id"],
        unique=False,
    )
