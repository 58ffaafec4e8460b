"""The tables of what integrations have imported over HTTP: requests, and what became of items."""

from sqlalchemy import ForeignKeyConstraint, Index, Table

from server.storage.columns import METADATA, account_id, moment, number, numbered, text

import_request = Table(
    "import_request",
    METADATA,
    account_id(),
    numbered("import_number"),
    text("integration"),
    text("type"),
    text("method"),
    text("parameters"),
    text("key_id"),
    text("address"),
    text("status"),
    text("message"),
    number("created_count"),
    number("updated_count"),
    number("unchanged_count"),
    number("deleted_count"),
    number("refused_count"),
    moment("received_ns"),
    moment("finished_ns", is_nullable=True),
    ForeignKeyConstraint(["account_id"], ["account.account_id"]),
    Index(None, "account_id", "integration", "import_number"),
    Index(None, "received_ns"),
)
"""One request of an integration: who sent it and what became of it.

integration: the import queue that the request named; parameters: of its query, without the key;
status: see server.storage.import_logs; message: why it failed; the counts grow with every
transaction that stores a part of it; finished_ns: null while it is at work."""

import_log = Table(
    "import_log",
    METADATA,
    account_id(),
    numbered("log_number"),
    number("import_number"),
    text("integration"),
    text("type"),
    text("outcome"),
    text("item_ids"),
    text("fates"),
    text("message"),
    text("fields"),
    moment("at_ns"),
    ForeignKeyConstraint(["account_id"], ["account.account_id"]),
    Index(None, "account_id", "import_number", "log_number"),
    Index(None, "account_id", "integration", "log_number"),
    Index(None, "account_id", "outcome", "log_number"),
    Index(None, "at_ns"),
)
"""What became of items: a row for each that failed, one for all that a transaction has stored.

outcome: succeeded or failed; item_ids: a line for each, with a line break before the first and
after the last one; fates: a letter for each of them; fields: what is bad, as JSON."""
