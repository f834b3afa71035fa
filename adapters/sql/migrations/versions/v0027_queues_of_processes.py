"""The queues that each process serves. Processes of the version before leave them out."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Json

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that may be NULL."""
    op.add_column("heartbeats", sa.Column("queues", Json))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("heartbeats", "queues")
