"""The trace of the request that an execution is for."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import symbol

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column. Processes of the version before go on, and leave it empty."""
    op.add_column("executions", sa.Column("trace_context", symbol(568)))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("executions", "trace_context")
