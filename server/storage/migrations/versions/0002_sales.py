"""Register periods, sales, the journal, saved baskets and quotes, export queues."""

import sqlalchemy as sa
from alembic import op

revision = "0002_sales"
down_revision = "0001_accounts"


def upgrade() -> None:
    """Make the tables of what a server records."""
    _register_period()
    _register_close()
    _event_batch()
    _checkout()
    _sale()
    _returned_line()
    _journal_head()
    _journal_entry()
    _journal_key()
    _saved_basket()
    _quote()
    _newsletter_signup()
    _export_queue()
    _export_entry()


def _register_period() -> None:
    """Make the periods of registers."""
    op.create_table(
        "register_period",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("register_id", sa.Text(), nullable=False),
        sa.Column("period_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period_id", sa.Text(), nullable=False),
        sa.Column("open_id", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("market_id", sa.Text(), nullable=False),
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("scale", sa.BigInteger(), nullable=False),
        sa.Column("opened_ns", sa.BigInteger(), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("cash_total_at_open_minor", sa.BigInteger(), nullable=False),
        sa.Column("cash_diff_at_open_minor", sa.BigInteger(), nullable=True),
        sa.Column("cash_diff_comment_at_open", sa.Text(), nullable=True),
        sa.Column("closed_ns", sa.BigInteger(), nullable=True),
        sa.Column("totals", sa.Text(), nullable=False),
        sa.Column("journal_totals", sa.Text(), nullable=False),
        sa.Column("event_counts", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "register_id"],
            ["register.account_id", "register.register_id"],
            name="fk_register_period_register",
        ),
        sa.PrimaryKeyConstraint(
            "account_id", "register_id", "period_number", name="pk_register_period"
        ),
        sa.UniqueConstraint(
            "account_id",
            "register_id",
            "open_id",
            name="uq_register_period_account_id_register_id_open_id",
        ),
    )
    op.create_index(
        "uq_register_period_open",
        "register_period",
        ["account_id", "register_id"],
        unique=True,
        sqlite_where=sa.text("closed_ns IS NULL"),
        postgresql_where=sa.text("closed_ns IS NULL"),
    )


def _register_close() -> None:
    """Make the closes of registers."""
    op.create_table(
        "register_close",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("register_id", sa.Text(), nullable=False),
        sa.Column("sequence_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period_number", sa.BigInteger(), nullable=False),
        sa.Column("close_id", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("market_id", sa.Text(), nullable=False),
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("closed_ns", sa.BigInteger(), nullable=False),
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("scale", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("totals", sa.Text(), nullable=False),
        sa.Column("register_totals", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("recomputed_ns", sa.BigInteger(), nullable=True),
        sa.Column("difference", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id", "register_id", "period_number"],
            [
                "register_period.account_id",
                "register_period.register_id",
                "register_period.period_number",
            ],
            name="fk_register_close_register_period",
        ),
        sa.PrimaryKeyConstraint(
            "account_id", "register_id", "sequence_number", name="pk_register_close"
        ),
        sa.UniqueConstraint(
            "account_id",
            "register_id",
            "close_id",
            name="uq_register_close_account_id_register_id_close_id",
        ),
        sa.UniqueConstraint(
            "account_id",
            "register_id",
            "period_number",
            name="uq_register_close_account_id_register_id_period_number",
        ),
    )
    op.create_index(
        "ix_register_close_account_id_business_date",
        "register_close",
        ["account_id", "business_date"],
        unique=False,
    )
    op.create_index(
        "ix_register_close_not_recomputed",
        "register_close",
        ["account_id"],
        unique=False,
        sqlite_where=sa.text("recomputed_ns IS NULL"),
        postgresql_where=sa.text("recomputed_ns IS NULL"),
    )


def _event_batch() -> None:
    """Make the batches of events that tills have reported."""
    op.create_table(
        "event_batch",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("register_id", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "register_id"],
            ["register.account_id", "register.register_id"],
            name="fk_event_batch_register",
        ),
        sa.PrimaryKeyConstraint("account_id", "register_id", "batch_id", name="pk_event_batch"),
    )


def _checkout() -> None:
    """Make the checkouts."""
    op.create_table(
        "checkout",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("checkout_id", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("market_id", sa.Text(), nullable=False),
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("register_id", sa.Text(), nullable=False),
        sa.Column("period_number", sa.BigInteger(), nullable=False),
        sa.Column("cashier_id", sa.Text(), nullable=False),
        sa.Column("completed_ns", sa.BigInteger(), nullable=False),
        sa.Column("voided", sa.Boolean(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("scale", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "register_id", "period_number"],
            [
                "register_period.account_id",
                "register_period.register_id",
                "register_period.period_number",
            ],
            name="fk_checkout_register_period",
        ),
        sa.PrimaryKeyConstraint("account_id", "checkout_id", name="pk_checkout"),
    )
    op.create_index(
        "ix_checkout_account_id_completed_ns",
        "checkout",
        ["account_id", "completed_ns"],
        unique=False,
    )
    op.create_index(
        "ix_checkout_account_id_register_id_period_number",
        "checkout",
        ["account_id", "register_id", "period_number"],
        unique=False,
    )


def _sale() -> None:
    """Make the sales."""
    op.create_table(
        "sale",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("sale_id", sa.Text(), nullable=False),
        sa.Column("checkout_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("voided", sa.Boolean(), nullable=False),
        sa.Column("market_id", sa.Text(), nullable=False),
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("register_id", sa.Text(), nullable=False),
        sa.Column("period_number", sa.BigInteger(), nullable=False),
        sa.Column("cashier_id", sa.Text(), nullable=False),
        sa.Column("sequence_number", sa.BigInteger(), nullable=False),
        sa.Column("account_number", sa.BigInteger(), nullable=False),
        sa.Column("journal_number", sa.BigInteger(), nullable=False),
        sa.Column("completed_ns", sa.BigInteger(), nullable=False),
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("scale", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("return_reference", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("personal_salt", sa.LargeBinary(), nullable=True),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "checkout_id"],
            ["checkout.account_id", "checkout.checkout_id"],
            name="fk_sale_checkout",
        ),
        sa.PrimaryKeyConstraint("account_id", "sale_id", name="pk_sale"),
        sa.UniqueConstraint(
            "account_id", "account_number", name="uq_sale_account_id_account_number"
        ),
        sa.UniqueConstraint(
            "account_id",
            "register_id",
            "sequence_number",
            name="uq_sale_account_id_register_id_sequence_number",
        ),
    )
    op.create_index(
        "ix_sale_account_id_checkout_id", "sale", ["account_id", "checkout_id"], unique=False
    )
    op.create_index(
        "ix_sale_account_id_completed_ns", "sale", ["account_id", "completed_ns"], unique=False
    )
    op.create_index(
        "ix_sale_account_id_register_id_period_number",
        "sale",
        ["account_id", "register_id", "period_number"],
        unique=False,
    )


def _returned_line() -> None:
    """Make what came back of sales."""
    op.create_table(
        "returned_line",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("sale_id", sa.Text(), nullable=False),
        sa.Column("line_item_id", sa.Text(), nullable=False),
        sa.Column("sold_micros", sa.BigInteger(), nullable=False),
        sa.Column("returned_micros", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "sale_id"],
            ["sale.account_id", "sale.sale_id"],
            name="fk_returned_line_sale",
        ),
        sa.PrimaryKeyConstraint("account_id", "sale_id", "line_item_id", name="pk_returned_line"),
    )


def _journal_head() -> None:
    """Make the heads of journals."""
    op.create_table(
        "journal_head",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("totals", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.account_id"], name="fk_journal_head_account"
        ),
        sa.PrimaryKeyConstraint("account_id", name="pk_journal_head"),
    )


def _journal_entry() -> None:
    """Make the journal entries, which nobody can change."""
    op.create_table(
        "journal_entry",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("register_id", sa.Text(), nullable=True),
        sa.Column("instant_ns", sa.BigInteger(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.account_id"], name="fk_journal_entry_account"
        ),
        sa.PrimaryKeyConstraint("account_id", "number", name="pk_journal_entry"),
    )
    op.create_index(
        "ix_journal_entry_account_id_register_id_number",
        "journal_entry",
        ["account_id", "register_id", "number"],
        unique=False,
    )
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER journal_entry_refuse_{change.lower()} BEFORE {change}"
                " ON journal_entry BEGIN SELECT RAISE(ABORT, 'journal entries stay'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION journal_entry_refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'journal entries stay'; END $$"
    )
    op.execute(
        "CREATE TRIGGER journal_entry_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_entry"
        " FOR EACH STATEMENT EXECUTE FUNCTION journal_entry_refuse()"
    )


def _journal_key() -> None:
    """Make the signing keys of journals."""
    op.create_table(
        "journal_key",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("key_version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.account_id"], name="fk_journal_key_account"
        ),
        sa.PrimaryKeyConstraint("account_id", "key_version", name="pk_journal_key"),
    )


def _saved_basket() -> None:
    """Make the saved baskets."""
    op.create_table(
        "saved_basket",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("basket_id", sa.Text(), nullable=False),
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("register_id", sa.Text(), nullable=False),
        sa.Column("cashier_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("saved_ns", sa.BigInteger(), nullable=False),
        sa.Column("basket", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "register_id"],
            ["register.account_id", "register.register_id"],
            name="fk_saved_basket_register",
        ),
        sa.PrimaryKeyConstraint("account_id", "basket_id", name="pk_saved_basket"),
    )
    op.create_index(
        "ix_saved_basket_account_id_shop_id_saved_ns",
        "saved_basket",
        ["account_id", "shop_id", "saved_ns"],
        unique=False,
    )


def _quote() -> None:
    """Make the quotes."""
    op.create_table(
        "quote",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("quote_id", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("market_id", sa.Text(), nullable=False),
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("register_id", sa.Text(), nullable=False),
        sa.Column("cashier_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=True),
        sa.Column("checkout_id", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("scale", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "register_id"],
            ["register.account_id", "register.register_id"],
            name="fk_quote_register",
        ),
        sa.PrimaryKeyConstraint("account_id", "quote_id", name="pk_quote"),
    )
    op.create_index(
        "ix_quote_account_id_shop_id_created_ns",
        "quote",
        ["account_id", "shop_id", "created_ns"],
        unique=False,
    )


def _newsletter_signup() -> None:
    """Make the newsletter signups."""
    op.create_table(
        "newsletter_signup",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("signup_id", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("signed_up_ns", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "shop_id"],
            ["shop.account_id", "shop.shop_id"],
            name="fk_newsletter_signup_shop",
        ),
        sa.PrimaryKeyConstraint("account_id", "signup_id", name="pk_newsletter_signup"),
    )


def _export_queue() -> None:
    """Make the export queues."""
    op.create_table(
        "export_queue",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("queue_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("configuration", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.account_id"], name="fk_export_queue_account"
        ),
        sa.PrimaryKeyConstraint("account_id", "queue_id", name="pk_export_queue"),
    )
    op.create_index(
        "ix_export_queue_account_id_kind", "export_queue", ["account_id", "kind"], unique=False
    )


def _export_entry() -> None:
    """Make the entries of export queues."""
    op.create_table(
        "export_entry",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("queue_id", sa.Text(), nullable=False),
        sa.Column("entry_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("element_key", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "queue_id"],
            ["export_queue.account_id", "export_queue.queue_id"],
            name="fk_export_entry_export_queue",
        ),
        sa.PrimaryKeyConstraint("account_id", "queue_id", "entry_number", name="pk_export_entry"),
    )
    op.create_index(
        "ix_export_entry_account_id_queue_id_state_entry_number",
        "export_entry",
        ["account_id", "queue_id", "state", "entry_number"],
        unique=False,
    )
