"""For the sweeps: when a message of the outbox was last taken, and an index of the inbox by age."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column and an index. The previous version keeps working."""
    op.add_column("outbox", sa.Column("taken_at", UtcDateTime()))
    op.create_index("ix_inbox_received", "inbox", ["received_at"])


def downgrade() -> None:
    """Drop the column and the index."""
    op.drop_index("ix_inbox_received", "inbox")
    op.drop_column("outbox", "taken_at")
