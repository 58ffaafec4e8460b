"""The tables of export queues, of the entries that wait in them, and of what became of those."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, Table

from server.storage.columns import METADATA, account_id, key, moment, number, numbered, text

export_queue = Table(
    "export_queue",
    METADATA,
    account_id(),
    key("queue_id"),
    text("kind"),
    text("name"),
    text("state"),
    text("state_reason"),
    text("ignored_types"),
    text("configuration"),
    Column("secrets", LargeBinary, nullable=True),
    number("revision"),
    moment("created_ns"),
    moment("updated_ns"),
    ForeignKeyConstraint(["account_id"], ["account.account_id"]),
    Index(None, "account_id", "kind"),
)
"""Where events of a kind go.

state: active, paused (by somebody) or disabled (by the server, for state_reason); ignored_types:
the types of stock events that are not placed, with spaces between; configuration: trigger,
transform, delivery, retry and order as JSON (server.exports.queue); secrets: what the delivery
must not show, as an encrypted JSON object, null when there is none."""

export_lane = Table(
    "export_lane",
    METADATA,
    account_id(),
    key("queue_id"),
    text("owner"),
    moment("lease_until_ns"),
    moment("due_ns", is_nullable=True),
    number("failure_count"),
    number("opened_count"),
    moment("closed_until_ns"),
    ForeignKeyConstraint(
        ["account_id", "queue_id"],
        ["export_queue.account_id", "export_queue.queue_id"],
        ondelete="CASCADE",
    ),
)
"""Who dispatches a queue, and how its endpoint is; one row for each queue.

owner, lease_until_ns: the process that has the queue, and until when; due_ns: the next firing of a
queue with a cron trigger; failure_count: failed attempts in a row; opened_count: how often in a row
the breaker has opened; closed_until_ns: no attempt before this moment."""

export_entry = Table(
    "export_entry",
    METADATA,
    account_id(),
    key("queue_id"),
    numbered("entry_number"),
    text("element_key"),
    moment("created_ns"),
    text("state"),
    number("generation"),
    number("attempt_count"),
    moment("not_before_ns"),
    moment("published_until_ns"),
    moment("run_due_ns", is_nullable=True),
    text("last_error"),
    moment("ended_ns", is_nullable=True),
    Column("payload", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["account_id", "queue_id"],
        ["export_queue.account_id", "export_queue.queue_id"],
        ondelete="CASCADE",
    ),
    Index(None, "account_id", "queue_id", "state", "entry_number"),
    Index(None, "account_id", "queue_id", "element_key"),
)
"""One event in one queue, written in the transaction that made the event.

entry_number: the order of the queue; state: waiting, delivered or failed; generation: how often the
entry was sent again by somebody; attempt_count: attempts of this generation; not_before_ns: no
attempt before; published_until_ns: a broker has been told of it and is trusted until then;
run_due_ns: the firing of a cron trigger whose batch has it; payload: the element as JSON, which an
export wraps in a dictionary by element_key."""

export_run = Table(
    "export_run",
    METADATA,
    account_id(),
    key("queue_id"),
    numbered("due_ns"),
    numbered("part_number"),
    text("state"),
    number("entry_count"),
    number("attempt_count"),
    moment("not_before_ns"),
    moment("fired_ns"),
    moment("ended_ns", is_nullable=True),
    ForeignKeyConstraint(
        ["account_id", "queue_id"],
        ["export_queue.account_id", "export_queue.queue_id"],
        ondelete="CASCADE",
    ),
)
"""One firing of a cron trigger, whose key keeps a second process from firing it too.

state: waiting, delivered or failed, as its entries; part_number: 1, or more where the entries were
too many for one batch."""

export_log = Table(
    "export_log",
    METADATA,
    account_id(),
    key("queue_id"),
    numbered("log_number"),
    number("entry_number"),
    text("element_key"),
    text("outcome"),
    number("generation"),
    number("attempt_number"),
    number("status", is_nullable=True),
    text("failure"),
    text("error"),
    text("response"),
    text("delivery_id"),
    moment("elapsed_ns"),
    moment("ended_ns"),
    ForeignKeyConstraint(
        ["account_id", "queue_id"],
        ["export_queue.account_id", "export_queue.queue_id"],
        ondelete="CASCADE",
    ),
    Index(None, "account_id", "queue_id", "outcome", "log_number"),
    Index(None, "account_id", "queue_id", "element_key", "log_number"),
    Index(None, "account_id", "queue_id", "ended_ns"),
)
"""What became of each attempt at each entry; the attempts of a batch are a row for each entry.

outcome: delivered, failed (for good: the failure log), or retried (another attempt follows);
status: of the protocol, such as 503; failure: a name of server.exports.outcome.Failure, empty when
delivered; response: the head of the answer; delivery_id: the same at every attempt."""
