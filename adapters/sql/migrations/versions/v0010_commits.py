"""The ids of transactions, to find out whether a commit without an answer took effect."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Guid, UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_row_format": "DYNAMIC",
}


def upgrade() -> None:
    """Add a table. The previous version keeps working."""
    op.create_table(
        "commits",
        sa.Column("slot", Guid, primary_key=True),
        sa.Column("transaction_id", Guid, nullable=False),
        sa.Column("written_at", UtcDateTime(), nullable=False),
        **_OPTIONS,
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("commits")
