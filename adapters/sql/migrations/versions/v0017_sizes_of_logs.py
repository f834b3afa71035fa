"""The size of an execution's log, which its tenant gets back when the job is deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column. Processes of the version before go on."""
    op.add_column("executions", sa.Column("log_bytes", sa.BigInteger))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("executions", "log_bytes")
