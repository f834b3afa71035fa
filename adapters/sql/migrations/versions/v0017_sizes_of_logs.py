"""The size of an execution's log, which is subtracted from the tenant's usage when the job is deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column. The previous version keeps working."""
    op.add_column("executions", sa.Column("log_bytes", sa.BigInteger))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("executions", "log_bytes")
