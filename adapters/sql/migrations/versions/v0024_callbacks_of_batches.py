"""The callback of a batch, and the sealed secret that signs it."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Json, symbol

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two columns. The previous version keeps working, but posts no callbacks."""
    op.add_column("batches", sa.Column("callback_url", symbol(2048)))
    op.add_column("batches", sa.Column("callback_secret", Json))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("batches", "callback_secret")
    op.drop_column("batches", "callback_url")
