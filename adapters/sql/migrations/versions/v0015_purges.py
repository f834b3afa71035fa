"""Purges, and pending deletions of objects."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.database_time import database_time
from adapters.sql.types import Guid, UtcDateTime, symbol

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_row_format": "DYNAMIC",
}


def upgrade() -> None:
    """Add two tables. The previous version keeps working."""
    op.create_table(
        "purges",
        sa.Column("purge_id", Guid, primary_key=True),
        sa.Column("tenant", symbol(63), nullable=False),
        sa.Column("project_id", sa.Integer),
        sa.Column("project", sa.String(255), nullable=False),
        sa.Column("requested_at", UtcDateTime, nullable=False),
        sa.Column("requested_by", sa.String(255), nullable=False),
        sa.Column("removed_jobs", sa.BigInteger, nullable=False),
        sa.Column("freed_bytes", sa.BigInteger, nullable=False),
        sa.Column("is_emptied", sa.Boolean, nullable=False),
        sa.Column("taken_at", UtcDateTime),
        sa.Column("taken_by", sa.String(255)),
        **_OPTIONS,
    )
    op.create_table(
        "pending_deletions",
        sa.Column("digest", sa.CHAR(64), primary_key=True),
        sa.Column("store", symbol(16), nullable=False),
        sa.Column("object_key", sa.String(1024), nullable=False),
        sa.Column("purge_id", Guid),
        sa.Column("added_at", UtcDateTime, server_default=database_time(), nullable=False),
        sa.Column("taken_at", UtcDateTime),
        sa.Index("ix_pending_deletions_added", "added_at", "digest"),
        sa.Index("ix_pending_deletions_purge", "purge_id"),
        **_OPTIONS,
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("pending_deletions")
    op.drop_table("purges")
