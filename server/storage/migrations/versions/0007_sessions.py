"""Who is signed in to the back office, and the links that sign somebody in once."""

import sqlalchemy as sa
from alembic import op

revision = "0007_sessions"
down_revision = "0006_imports"


def upgrade() -> None:
    """Make the tables of the back office."""
    _session()
    _link()


def _session() -> None:
    table = "back_office_session"
    op.create_table(
        table,
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("session_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("scopes", "address", "agent")),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("created_ns", "last_used_ns", "expires_ns")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.account_id"], name=f"fk_{table}_account"),
        sa.PrimaryKeyConstraint("account_id", "session_sha256", name=f"pk_{table}"),
        sa.UniqueConstraint("session_sha256", name=f"uq_{table}_session_sha256"),
    )
    op.create_index(f"ix_{table}_expires_ns", table, ["expires_ns"], unique=False)


def _link() -> None:
    table = "back_office_link"
    op.create_table(
        table,
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("link_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.account_id"], name=f"fk_{table}_account"),
        sa.PrimaryKeyConstraint("account_id", "link_sha256", name=f"pk_{table}"),
        sa.UniqueConstraint("link_sha256", name=f"uq_{table}_link_sha256"),
    )
