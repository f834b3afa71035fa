"""When a message of the outbox was last taken, and an index of the inbox by age, both for the sweeps."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column and an index. Processes of the version before go on meanwhile."""
    op.add_column("outbox", sa.Column("taken_at", UtcDateTime()))
    op.create_index("ix_inbox_received", "inbox", ["received_at"])


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_inbox_received", "inbox")
    op.drop_column("outbox", "taken_at")
