"""The tables of register periods and closes."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, Table
from sqlalchemy import UniqueConstraint as Unique

from server.storage.columns import METADATA, account_id, key, moment, number, numbered, text

register_period = Table(
    "register_period",
    METADATA,
    account_id(),
    key("register_id"),
    numbered("period_number"),
    text("period_id"),
    text("open_id"),
    Column("content_hash", LargeBinary, nullable=False),
    text("market_id"),
    text("shop_id"),
    text("currency_code"),
    number("scale"),
    moment("opened_ns"),
    text("opened_by"),
    number("cash_total_at_open_minor"),
    number("cash_diff_at_open_minor", is_nullable=True),
    text("cash_diff_comment_at_open", is_nullable=True),
    moment("closed_ns", is_nullable=True),
    text("totals"),
    text("journal_totals"),
    text("event_counts"),
    ForeignKeyConstraint(
        ["account_id", "register_id"], ["register.account_id", "register.register_id"]
    ),
    Unique("account_id", "register_id", "open_id"),
    Index(
        "uq_register_period_open",
        "account_id",
        "register_id",
        unique=True,
        sqlite_where=Column("closed_ns").is_(None),
        postgresql_where=Column("closed_ns").is_(None),
    ),
)
"""A register has at most one period that is not closed; its row is locked by whoever adds to it.

totals: engine.register.totals as JSON; journal_totals: engine.model.journal.RunningTotals as JSON;
event_counts: counts by event as JSON; open_id: made by the client: opening twice is once;
content_hash: SHA-256 of the request that opened it."""

register_close = Table(
    "register_close",
    METADATA,
    account_id(),
    key("register_id"),
    numbered("sequence_number"),
    number("period_number"),
    text("close_id"),
    Column("content_hash", LargeBinary, nullable=False),
    text("market_id"),
    text("shop_id"),
    moment("closed_ns"),
    text("business_date"),
    text("currency_code"),
    number("scale"),
    number("total_minor"),
    text("totals"),
    text("register_totals"),
    Column("document", LargeBinary, nullable=False),
    moment("recomputed_ns", is_nullable=True),
    text("difference", is_nullable=True),
    ForeignKeyConstraint(
        ["account_id", "register_id", "period_number"],
        [
            "register_period.account_id",
            "register_period.register_id",
            "register_period.period_number",
        ],
    ),
    Unique("account_id", "register_id", "period_number"),
    Unique("account_id", "register_id", "close_id"),
    Index(None, "account_id", "business_date"),
    Index(
        "ix_register_close_not_recomputed",
        "account_id",
        sqlite_where=Column("recomputed_ns").is_(None),
        postgresql_where=Column("recomputed_ns").is_(None),
    ),
)
"""document: the reference's register close statement; totals: of the period, as it was closed;
register_totals: the journal's totals of the register since its first sale; recomputed_ns: when the
stored sales were added up again, null until then; difference: the first number that was another."""

event_batch = Table(
    "event_batch",
    METADATA,
    account_id(),
    key("register_id"),
    key("batch_id"),
    Column("content_hash", LargeBinary, nullable=False),
    moment("recorded_ns"),
    ForeignKeyConstraint(
        ["account_id", "register_id"], ["register.account_id", "register.register_id"]
    ),
)
"""Batches of events that a till has reported, so that reporting one twice counts it once."""
