"""A job's specification as one document.

This version writes the document in addition to the columns that it replaces: `priority`, `max_attempts`,
`limits`, `function_name`, `description`, `args` and `env`. The previous version reads and writes these
columns. Once no process of that version is left, a later migration fills in `spec` where it is NULL and drops
the columns.
"""

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Json

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. The previous version keeps working."""
    op.add_column("jobs", sa.Column("spec", Json()))


def downgrade() -> None:
    """Drop the column; the columns that it replaces hold the same data."""
    op.drop_column("jobs", "spec")
