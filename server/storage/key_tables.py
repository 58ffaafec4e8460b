"""The tables of keys: those of integrations and devices, and the codes that enrol a device."""

from sqlalchemy import Column, ForeignKeyConstraint, LargeBinary, Table, UniqueConstraint

from server.storage.columns import METADATA, account_id, key, moment, text

api_key = Table(
    "api_key",
    METADATA,
    account_id(),
    key("key_id"),
    text("name"),
    Column("secret_sha256", LargeBinary, nullable=False),
    text("scopes"),
    text("register_id", is_nullable=True),
    moment("created_ns"),
    moment("expires_ns", is_nullable=True),
    moment("revoked_ns", is_nullable=True),
    moment("last_used_ns", is_nullable=True),
    text("last_used_address", is_nullable=True),
    # A key is looked up before its account is known.
    UniqueConstraint("key_id"),
    ForeignKeyConstraint(["account_id"], ["account.account_id"]),
    ForeignKeyConstraint(
        ["account_id", "register_id"], ["register.account_id", "register.register_id"]
    ),
)
"""scopes: names, sorted, with spaces between. register_id: a device's own register."""

enrolment_code = Table(
    "enrolment_code",
    METADATA,
    account_id(),
    Column("code_sha256", LargeBinary, primary_key=True),
    text("register_id"),
    moment("created_ns"),
    moment("expires_ns"),
    moment("used_ns", is_nullable=True),
    UniqueConstraint("code_sha256"),
    ForeignKeyConstraint(
        ["account_id", "register_id"], ["register.account_id", "register.register_id"]
    ),
)
"""One-time codes; a device that knows one gets a key for its register."""
