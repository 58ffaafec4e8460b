"""The tables of checkouts, their sales, and what of them came back."""

from sqlalchemy import Boolean, Column, ForeignKeyConstraint, Index, LargeBinary, Table
from sqlalchemy import UniqueConstraint as Unique

from server.storage.columns import METADATA, account_id, key, moment, number, text


def _at_a_register() -> tuple[Column[str] | Column[int], ...]:
    """Return the columns that say where something was recorded, and in which period."""
    return (
        text("market_id"),
        text("shop_id"),
        text("register_id"),
        number("period_number"),
        text("cashier_id"),
    )


def _money() -> tuple[Column[str] | Column[int], ...]:
    """Return the columns of an amount that has been recorded, with its scale."""
    return (text("currency_code"), number("scale"), number("total_minor"))


checkout = Table(
    "checkout",
    METADATA,
    account_id(),
    key("checkout_id"),
    Column("content_hash", LargeBinary, nullable=False),
    *_at_a_register(),
    moment("completed_ns"),
    Column("voided", Boolean, nullable=False),
    *_money(),
    text("customer_id", is_nullable=True),
    Column("document", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["account_id", "register_id", "period_number"],
        [
            "register_period.account_id",
            "register_period.register_id",
            "register_period.period_number",
        ],
    ),
    Index(None, "account_id", "register_id", "period_number"),
    Index(None, "account_id", "completed_ns"),
)
"""content_hash: SHA-256 of the request; document: the reference's checkout as JSON."""

sale = Table(
    "sale",
    METADATA,
    account_id(),
    key("sale_id"),
    text("checkout_id"),
    number("position"),
    text("kind"),
    Column("voided", Boolean, nullable=False),
    *_at_a_register(),
    number("sequence_number"),
    number("account_number"),
    number("journal_number"),
    moment("completed_ns"),
    text("business_date"),
    *_money(),
    text("return_reference", is_nullable=True),
    text("customer_id", is_nullable=True),
    Column("personal_salt", LargeBinary, nullable=True),
    Column("document", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["account_id", "checkout_id"], ["checkout.account_id", "checkout.checkout_id"]
    ),
    Unique("account_id", "register_id", "sequence_number"),
    Unique("account_id", "account_number"),
    Index(None, "account_id", "checkout_id"),
    Index(None, "account_id", "completed_ns"),
    Index(None, "account_id", "register_id", "period_number"),
)
"""sequence_number: gap-free by register; account_number: by account; journal_number: of its entry;
kind: sale, return or expense; business_date: the local day, as YYYY-MM-DD; document: the
reference's sale as JSON; personal_salt: what the journal hashed the personal data with."""

returned_line = Table(
    "returned_line",
    METADATA,
    account_id(),
    key("sale_id"),
    key("line_item_id"),
    number("sold_micros"),
    number("returned_micros"),
    ForeignKeyConstraint(["account_id", "sale_id"], ["sale.account_id", "sale.sale_id"]),
)
"""How many units of a sold line came back; who changes a row has locked the row of its sale."""
