"""The tables of the journal: entries that are only ever added, the head, and the signing keys."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, Table

from server.storage.columns import METADATA, account_id, moment, number, numbered, text

journal_head = Table(
    "journal_head",
    METADATA,
    account_id(),
    number("number"),
    Column("hash", LargeBinary, nullable=False),
    text("totals"),
    ForeignKeyConstraint(["account_id"], ["account.account_id"]),
)
"""The last entry of an account's journal; the row is locked by whoever adds one.

totals: engine.model.journal.RunningTotals as JSON by currency, of all receipts ever."""

journal_entry = Table(
    "journal_entry",
    METADATA,
    account_id(),
    numbered("number"),
    text("kind"),
    text("register_id", is_nullable=True),
    moment("instant_ns"),
    Column("entry", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    ForeignKeyConstraint(["account_id"], ["account.account_id"]),
    Index(None, "account_id", "register_id", "number"),
)
"""entry: the very bytes that were hashed. Triggers refuse to change or delete a row."""

journal_key = Table(
    "journal_key",
    METADATA,
    account_id(),
    numbered("key_version"),
    Column("public_key", LargeBinary, nullable=False),
    moment("created_ns"),
    ForeignKeyConstraint(["account_id"], ["account.account_id"]),
)
"""public_key: DER, SubjectPublicKeyInfo. The private key is never in the database."""
