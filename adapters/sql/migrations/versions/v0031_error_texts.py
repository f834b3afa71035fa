"""The codes and values of error messages. Processes of the version before write the English alone."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Json

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that may be NULL."""
    op.add_column("executions", sa.Column("error_text", Json))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("executions", "error_text")
