"""Accounts and what they consist of, keys, counters."""

import sqlalchemy as sa
from alembic import op

revision = "0001_accounts"
down_revision = None


def upgrade() -> None:
    """Make the first tables."""
    _accounts()
    _places()
    _types()
    _keys()


def _accounts() -> None:
    """Make accounts and their counters."""
    op.create_table(
        "account",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_account"),
    )
    op.create_table(
        "counter",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.account_id"], name="fk_counter_account"),
        sa.PrimaryKeyConstraint("account_id", "kind", "scope_id", name="pk_counter"),
    )


def _places() -> None:
    """Make markets, shops and registers."""
    op.create_table(
        "market",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("market_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.account_id"], name="fk_market_account"),
        sa.PrimaryKeyConstraint("account_id", "market_id", name="pk_market"),
    )
    op.create_table(
        "shop",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("market_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "market_id"],
            ["market.account_id", "market.market_id"],
            name="fk_shop_market",
        ),
        sa.PrimaryKeyConstraint("account_id", "shop_id", name="pk_shop"),
    )
    op.create_index(
        "ix_shop_account_id_market_id", "shop", ["account_id", "market_id"], unique=False
    )
    op.create_table(
        "register",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("register_id", sa.Text(), nullable=False),
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "shop_id"], ["shop.account_id", "shop.shop_id"], name="fk_register_shop"
        ),
        sa.PrimaryKeyConstraint("account_id", "register_id", name="pk_register"),
    )
    op.create_index(
        "ix_register_account_id_shop_id", "register", ["account_id", "shop_id"], unique=False
    )


def _types() -> None:
    """Make cashiers and types."""
    op.create_table(
        "cashier",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("cashier_id", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("image_url", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.account_id"], name="fk_cashier_account"),
        sa.PrimaryKeyConstraint("account_id", "cashier_id", name="pk_cashier"),
    )
    op.create_table(
        "payment_type",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("payment_type_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("payment_group", sa.Text(), nullable=False),
        sa.Column("should_be_reconciled", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.account_id"], name="fk_payment_type_account"
        ),
        sa.PrimaryKeyConstraint("account_id", "payment_type_id", name="pk_payment_type"),
    )
    op.create_table(
        "purchase_type",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("purchase_type_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.account_id"], name="fk_purchase_type_account"
        ),
        sa.PrimaryKeyConstraint("account_id", "purchase_type_id", name="pk_purchase_type"),
    )


def _keys() -> None:
    """Make keys and the codes that enrol devices."""
    op.create_table(
        "api_key",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("register_id", sa.Text(), nullable=True),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=True),
        sa.Column("revoked_ns", sa.BigInteger(), nullable=True),
        sa.Column("last_used_ns", sa.BigInteger(), nullable=True),
        sa.Column("last_used_address", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id", "register_id"],
            ["register.account_id", "register.register_id"],
            name="fk_api_key_register",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.account_id"], name="fk_api_key_account"),
        sa.PrimaryKeyConstraint("account_id", "key_id", name="pk_api_key"),
        sa.UniqueConstraint("key_id", name="uq_api_key_key_id"),
    )
    op.create_table(
        "enrolment_code",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("code_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("register_id", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.Column("used_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id", "register_id"],
            ["register.account_id", "register.register_id"],
            name="fk_enrolment_code_register",
        ),
        sa.PrimaryKeyConstraint("account_id", "code_sha256", name="pk_enrolment_code"),
        sa.UniqueConstraint("code_sha256", name="uq_enrolment_code_code_sha256"),
    )
