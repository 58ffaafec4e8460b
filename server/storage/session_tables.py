"""The tables of the back office: who is signed in, and the links that sign somebody in once."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, Table, UniqueConstraint

from server.storage.columns import METADATA, account_id, moment, text

back_office_session = Table(
    "back_office_session",
    METADATA,
    account_id(),
    Column("session_sha256", LargeBinary, primary_key=True),
    text("key_id", is_nullable=True),
    text("scopes"),
    text("address"),
    text("agent"),
    moment("created_ns"),
    moment("last_used_ns"),
    moment("expires_ns"),
    # A session is looked up before its account is known.
    UniqueConstraint("session_sha256"),
    ForeignKeyConstraint(["account_id"], ["account.account_id"]),
    Index(None, "expires_ns"),
)
"""session_sha256: of the random text in the cookie; key_id: the key that signed in, which ends the
session when it ends or is gone, null for a link; scopes: as those of keys; expires_ns: at the
latest."""

back_office_link = Table(
    "back_office_link",
    METADATA,
    account_id(),
    Column("link_sha256", LargeBinary, primary_key=True),
    moment("created_ns"),
    moment("expires_ns"),
    UniqueConstraint("link_sha256"),
    ForeignKeyConstraint(["account_id"], ["account.account_id"]),
)
"""One-time links of owners; one that was used is removed."""
