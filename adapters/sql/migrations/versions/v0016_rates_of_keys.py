"""Rate limits of API keys, in requests per second. The previous version ignores them."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("api_keys", sa.Column("requests_per_s", sa.BigInteger))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("api_keys", "requests_per_s")
