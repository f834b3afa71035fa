"""The files that programs wrote. Processes of the version before leave them out."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Json

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that may be NULL."""
    op.add_column("executions", sa.Column("artifacts", Json))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("executions", "artifacts")
