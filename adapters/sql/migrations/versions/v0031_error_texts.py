"""The codes and values of error messages. The previous version writes only the English text."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Json

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a nullable column."""
    op.add_column("executions", sa.Column("error_text", Json))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("executions", "error_text")
