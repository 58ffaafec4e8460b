"""The tables of export queues and of the entries that wait in them."""

from sqlalchemy import Boolean, Column, ForeignKeyConstraint, Index, LargeBinary, Table

from server.storage.columns import METADATA, account_id, key, moment, number, numbered, text

export_queue = Table(
    "export_queue",
    METADATA,
    account_id(),
    key("queue_id"),
    text("kind"),
    text("name"),
    Column("paused", Boolean, nullable=False),
    text("configuration"),
    number("revision"),
    moment("created_ns"),
    moment("updated_ns"),
    ForeignKeyConstraint(["account_id"], ["account.account_id"]),
    Index(None, "account_id", "kind"),
)
"""Where events of a kind go; configuration: trigger, filter, transform and delivery as JSON."""

export_entry = Table(
    "export_entry",
    METADATA,
    account_id(),
    key("queue_id"),
    numbered("entry_number"),
    text("element_key"),
    moment("created_ns"),
    text("state"),
    Column("payload", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["account_id", "queue_id"], ["export_queue.account_id", "export_queue.queue_id"]
    ),
    Index(None, "account_id", "queue_id", "state", "entry_number"),
)
"""One event in one queue, written in the transaction that made the event.

entry_number: the order of the queue; state: waiting, delivered or failed; payload: the element as
JSON, which an export wraps in a dictionary by element_key."""
