"""A job's specification as one document.

Jobs of this version have it beside the columns that it replaces, `priority`, `max_attempts`, `limits`,
`function_name`, `description`, `args` and `env`, which processes of the version before read and write. When
none of them is left, a later step fills in `spec` where it is NULL and drops these columns.
"""

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Json

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. Processes of the version before go on."""
    op.add_column("jobs", sa.Column("spec", Json()))


def downgrade() -> None:
    """Remove it: the columns that it replaces have the same."""
    op.drop_column("jobs", "spec")
