"""Export queues that are dispatched, with their lanes, runs and logs.

The two tables of 0002_sales are dropped and made anew: no interface could make a queue before this
step, so that they are empty in every database that a release has written.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005_exports"
down_revision = "0004_catalog"


def upgrade() -> None:
    """Make the tables of exports."""
    op.drop_table("export_entry")
    op.drop_table("export_queue")
    _export_queue()
    _export_lane()
    _export_entry()
    _export_run()
    _export_log()


def _of_queue(table: str) -> sa.ForeignKeyConstraint:
    """Return the reference of a table to its queue, with which its rows go."""
    return sa.ForeignKeyConstraint(
        ["account_id", "queue_id"],
        ["export_queue.account_id", "export_queue.queue_id"],
        name=f"fk_{table}_export_queue",
        ondelete="CASCADE",
    )


def _export_queue() -> None:
    """Make the export queues."""
    op.create_table(
        "export_queue",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("queue_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=False),
        sa.Column("ignored_types", sa.Text(), nullable=False),
        sa.Column("configuration", sa.Text(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.account_id"], name="fk_export_queue_account"
        ),
        sa.PrimaryKeyConstraint("account_id", "queue_id", name="pk_export_queue"),
    )
    op.create_index(
        "ix_export_queue_account_id_kind", "export_queue", ["account_id", "kind"], unique=False
    )


def _export_lane() -> None:
    """Make the lanes, in which queues are dispatched."""
    op.create_table(
        "export_lane",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("queue_id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("lease_until_ns", sa.BigInteger(), nullable=False),
        sa.Column("due_ns", sa.BigInteger(), nullable=True),
        sa.Column("failure_count", sa.BigInteger(), nullable=False),
        sa.Column("opened_count", sa.BigInteger(), nullable=False),
        sa.Column("closed_until_ns", sa.BigInteger(), nullable=False),
        _of_queue("export_lane"),
        sa.PrimaryKeyConstraint("account_id", "queue_id", name="pk_export_lane"),
    )


def _export_entry() -> None:
    """Make the entries of export queues."""
    op.create_table(
        "export_entry",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("queue_id", sa.Text(), nullable=False),
        sa.Column("entry_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("element_key", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("attempt_count", sa.BigInteger(), nullable=False),
        sa.Column("not_before_ns", sa.BigInteger(), nullable=False),
        sa.Column("published_until_ns", sa.BigInteger(), nullable=False),
        sa.Column("run_due_ns", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        _of_queue("export_entry"),
        sa.PrimaryKeyConstraint("account_id", "queue_id", "entry_number", name="pk_export_entry"),
    )
    op.create_index(
        "ix_export_entry_account_id_queue_id_state_entry_number",
        "export_entry",
        ["account_id", "queue_id", "state", "entry_number"],
        unique=False,
    )
    op.create_index(
        "ix_export_entry_account_id_queue_id_element_key",
        "export_entry",
        ["account_id", "queue_id", "element_key"],
        unique=False,
    )


def _export_run() -> None:
    """Make the firings of cron triggers."""
    op.create_table(
        "export_run",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("queue_id", sa.Text(), nullable=False),
        sa.Column("due_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("entry_count", sa.BigInteger(), nullable=False),
        sa.Column("attempt_count", sa.BigInteger(), nullable=False),
        sa.Column("not_before_ns", sa.BigInteger(), nullable=False),
        sa.Column("fired_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger(), nullable=True),
        _of_queue("export_run"),
        sa.PrimaryKeyConstraint(
            "account_id", "queue_id", "due_ns", "part_number", name="pk_export_run"
        ),
    )


def _export_log() -> None:
    """Make the logs of attempts."""
    op.create_table(
        "export_log",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("queue_id", sa.Text(), nullable=False),
        sa.Column("log_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_number", sa.BigInteger(), nullable=False),
        sa.Column("element_key", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("attempt_number", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("elapsed_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger(), nullable=False),
        _of_queue("export_log"),
        sa.PrimaryKeyConstraint("account_id", "queue_id", "log_number", name="pk_export_log"),
    )
    for columns in (["outcome", "log_number"], ["element_key", "log_number"], ["ended_ns"]):
        of_queue = ["account_id", "queue_id", *columns]
        op.create_index(f"ix_export_log_{'_'.join(of_queue)}", "export_log", of_queue, unique=False)
