"""The trace of the request that caused an execution."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import symbol

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column. The previous version keeps working, but does not set it."""
    op.add_column("executions", sa.Column("trace_context", symbol(568)))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("executions", "trace_context")
