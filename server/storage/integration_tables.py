"""The tables of integrations, of what tills had them do, and of the log of calls."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, Table

from server.storage.columns import METADATA, account_id, key, moment, number, numbered, text

integration = Table(
    "integration",
    METADATA,
    account_id(),
    key("integration_id"),
    text("document"),
    Column("secrets", LargeBinary, nullable=True),
    number("revision"),
    moment("created_ns"),
    moment("updated_ns"),
    ForeignKeyConstraint(["account_id"], ["account.account_id"]),
)
"""document: the integration as JSON (server.integrations.integration); secrets: what must not be
shown, as an encrypted JSON object, null when there is none."""

integration_action = Table(
    "integration_action",
    METADATA,
    account_id(),
    key("action"),
    key("action_id"),
    text("integration_id"),
    text("kind"),
    text("register_id"),
    text("currency_code"),
    number("amount_micros"),
    text("content_hash"),
    text("state"),
    text("attempt"),
    number("attempt_count"),
    moment("busy_until_ns"),
    text("error"),
    number("reversed_micros"),
    Column("request", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=True),
    moment("created_ns"),
    moment("updated_ns"),
    text("checkout_id", is_nullable=True),
    ForeignKeyConstraint(["account_id"], ["account.account_id"]),
    Index(None, "account_id", "integration_id", "state"),
    Index(None, "updated_ns"),
)
"""One thing that an integration is asked to do once, stored before it is asked.

action and action_id: what the idempotency key is made of; content_hash: of the request, which a
repetition has too; state: pending, succeeded, refused, unknown, unsent, reversing or reversed;
attempt: whose call is under way, and busy_until_ns: until when it is waited for; error: why it was
refused or is not known, a problem as JSON; reversed_micros: what a reversal gave back; request: the
body that every attempt sends, as JSON; answer: the response to the till, a message, null without
one; checkout_id: what a payment has paid, null as long as it has paid nothing."""

integration_call = Table(
    "integration_call",
    METADATA,
    account_id(),
    numbered("call_number"),
    text("integration_id"),
    text("action"),
    text("idempotency_key"),
    text("register_id"),
    text("outcome"),
    number("status", is_nullable=True),
    text("error"),
    moment("elapsed_ns"),
    moment("ended_ns"),
    ForeignKeyConstraint(["account_id"], ["account.account_id"]),
    Index(None, "account_id", "integration_id", "call_number"),
    Index(None, "ended_ns"),
)
"""What became of each call; nothing of its body, and no secret.

outcome: answered, refused, unsent or unknown; status: of HTTP."""
