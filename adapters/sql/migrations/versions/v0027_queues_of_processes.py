"""The queues that each process serves. The previous version does not set them."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Json

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a nullable column."""
    op.add_column("heartbeats", sa.Column("queues", Json))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("heartbeats", "queues")
