"""Summaries of the results of cases. The previous version does not set them."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Json

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a nullable column."""
    op.add_column("executions", sa.Column("cases_summary", Json))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("executions", "cases_summary")
