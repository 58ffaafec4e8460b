"""Which checkout an integration's payment has paid, and an index for what is forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0009_integration_payments"
down_revision = "0008_integrations"

_TABLE = "integration_action"


def upgrade() -> None:
    """Add the column and the index."""
    op.add_column(_TABLE, sa.Column("checkout_id", sa.Text(), nullable=True))
    op.create_index(f"ix_{_TABLE}_updated_ns", _TABLE, ["updated_ns"], unique=False)
