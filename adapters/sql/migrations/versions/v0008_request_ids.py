"""The id of the request that caused an execution."""

import sqlalchemy as sa
from alembic import op

from domain.audit import REQUEST_ID_MAX_CHARS

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column. The previous version keeps working."""
    op.add_column("executions", sa.Column("request_id", sa.String(REQUEST_ID_MAX_CHARS)))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("executions", "request_id")
