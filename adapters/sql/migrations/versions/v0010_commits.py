"""The ids of transactions, by which one whose commit was not answered is looked up."""

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
    """Add a table. Processes of the version before go on."""
    op.create_table(
        "commits",
        sa.Column("slot", Guid, primary_key=True),
        sa.Column("transaction_id", Guid, nullable=False),
        sa.Column("written_at", UtcDateTime(), nullable=False),
        **_OPTIONS,
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("commits")
