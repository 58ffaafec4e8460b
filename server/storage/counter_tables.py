"""The table of counters, from which gap-free numbers come."""

from sqlalchemy import ForeignKeyConstraint, Table

from server.storage.columns import METADATA, account_id, key, number

counter = Table(
    "counter",
    METADATA,
    account_id(),
    key("kind"),
    key("scope_id"),
    number("value"),
    ForeignKeyConstraint(["account_id"], ["account.account_id"]),
)
"""The last number given, by kind and scope; the row is locked until commit."""
