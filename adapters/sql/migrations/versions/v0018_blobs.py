"""Blobs, and the references to them. The previous version ignores them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Guid, UtcDateTime, symbol

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_row_format": "DYNAMIC",
}


def upgrade() -> None:
    """Add two tables. The previous version keeps working, but leaves the files of jobs that it removes."""
    op.create_table(
        "blobs",
        sa.Column("tenant", symbol(63), primary_key=True),
        sa.Column("sha256", symbol(64), primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("is_stored", sa.Boolean, nullable=False),
        sa.Column("idle_since", UtcDateTime),
        sa.Index("ix_blobs_idle", "idle_since"),
        **_OPTIONS,
    )
    op.create_table(
        "blob_references",
        sa.Column("owner", Guid, primary_key=True),
        sa.Column("sha256", symbol(64), primary_key=True),
        sa.Column("tenant", symbol(63), nullable=False),
        sa.Index("ix_blob_references_blob", "tenant", "sha256"),
        **_OPTIONS,
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("blob_references")
    op.drop_table("blobs")
