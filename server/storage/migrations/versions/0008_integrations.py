"""Integrations, what tills had them do, and the log of calls."""

import sqlalchemy as sa
from alembic import op

revision = "0008_integrations"
down_revision = "0007_sessions"


def upgrade() -> None:
    """Make the tables of integrations."""
    _integration()
    _integration_action()
    _integration_call()


def _integration() -> None:
    """Make the integrations."""
    table = "integration"
    op.create_table(
        table,
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("integration_id", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        *_numbers("revision", "created_ns", "updated_ns"),
        sa.ForeignKeyConstraint(["account_id"], ["account.account_id"], name=f"fk_{table}_account"),
        sa.PrimaryKeyConstraint("account_id", "integration_id", name=f"pk_{table}"),
    )


def _integration_action() -> None:
    """Make what tills had integrations do."""
    table = "integration_action"
    op.create_table(
        table,
        sa.Column("account_id", sa.Text(), nullable=False),
        *_texts("action", "action_id", "integration_id", "kind", "register_id", "currency_code"),
        *_numbers("amount_micros"),
        *_texts("content_hash", "state", "attempt"),
        *_numbers("attempt_count", "busy_until_ns"),
        *_texts("error"),
        *_numbers("reversed_micros"),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        *_numbers("created_ns", "updated_ns"),
        sa.ForeignKeyConstraint(["account_id"], ["account.account_id"], name=f"fk_{table}_account"),
        sa.PrimaryKeyConstraint("account_id", "action", "action_id", name=f"pk_{table}"),
    )
    _index(table, "account_id", "integration_id", "state")


def _integration_call() -> None:
    """Make the log of calls."""
    table = "integration_call"
    op.create_table(
        table,
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("call_number", sa.BigInteger(), autoincrement=False, nullable=False),
        *_texts(
            "integration_id",
            "action",
            "idempotency_key",
            "register_id",
            "outcome",
        ),
        sa.Column("status", sa.BigInteger(), nullable=True),
        *_texts("error"),
        *_numbers("elapsed_ns", "ended_ns"),
        sa.ForeignKeyConstraint(["account_id"], ["account.account_id"], name=f"fk_{table}_account"),
        sa.PrimaryKeyConstraint("account_id", "call_number", name=f"pk_{table}"),
    )
    _index(table, "account_id", "integration_id", "call_number")
    _index(table, "ended_ns")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns), unique=False)
