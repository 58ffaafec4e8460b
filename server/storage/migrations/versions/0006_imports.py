"""The requests of integrations that import over HTTP, and what became of their items."""

import sqlalchemy as sa
from alembic import op

revision = "0006_imports"
down_revision = "0005_exports"


def upgrade() -> None:
    """Make the tables of imports."""
    _import_request()
    _import_log()


def _import_request() -> None:
    """Make the requests."""
    table = "import_request"
    op.create_table(
        table,
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("import_number", sa.BigInteger(), autoincrement=False, nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in (
                "integration",
                "type",
                "method",
                "parameters",
                "key_id",
                "address",
                "status",
                "message",
            )
        ),
        *(
            sa.Column(f"{fate}_count", sa.BigInteger(), nullable=False)
            for fate in ("created", "updated", "unchanged", "deleted", "refused")
        ),
        sa.Column("received_ns", sa.BigInteger(), nullable=False),
        sa.Column("finished_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.account_id"], name=f"fk_{table}_account"),
        sa.PrimaryKeyConstraint("account_id", "import_number", name=f"pk_{table}"),
    )
    _index(table, "account_id", "integration", "import_number")
    _index(table, "received_ns")


def _import_log() -> None:
    """Make the log."""
    table = "import_log"
    op.create_table(
        table,
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("log_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("import_number", sa.BigInteger(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in (
                "integration",
                "type",
                "outcome",
                "item_ids",
                "fates",
                "message",
                "fields",
            )
        ),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.account_id"], name=f"fk_{table}_account"),
        sa.PrimaryKeyConstraint("account_id", "log_number", name=f"pk_{table}"),
    )
    _index(table, "account_id", "import_number", "log_number")
    _index(table, "account_id", "integration", "log_number")
    _index(table, "account_id", "outcome", "log_number")
    _index(table, "at_ns")


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns), unique=False)
