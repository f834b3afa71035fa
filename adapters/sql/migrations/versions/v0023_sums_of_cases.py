"""The sums of the results of cases. Processes of the version before leave them out."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Json

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that may be NULL."""
    op.add_column("executions", sa.Column("cases_summary", Json))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("executions", "cases_summary")
