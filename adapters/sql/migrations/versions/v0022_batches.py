"""Batches of jobs."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Guid, UtcDateTime, symbol

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_row_format": "DYNAMIC",
}


def upgrade() -> None:
    """Add a table, and a column of jobs with its index. The previous version keeps working."""
    op.create_table(
        "batches",
        sa.Column("batch_id", Guid, primary_key=True),
        sa.Column("tenant", symbol(63), nullable=False),
        sa.Column("project_id", sa.Integer),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("cancelled_at", UtcDateTime),
        sa.Column("completed_at", UtcDateTime),
        sa.Index("ix_batches_created", "tenant", "created_at", "batch_id"),
        sa.Index("ix_batches_completed", "completed_at", "cancelled_at", "batch_id"),
        **_OPTIONS,
    )
    op.add_column("jobs", sa.Column("batch_id", Guid))
    # Jobs without a batch have no index entry on databases with partial indexes.
    op.create_index(
        "ix_jobs_batch",
        "jobs",
        ["batch_id", "status", "job_id"],
        sqlite_where=sa.text("batch_id IS NOT NULL"),
    )


def downgrade() -> None:
    """Drop the table, the column and its index."""
    op.drop_index("ix_jobs_batch", "jobs")
    op.drop_column("jobs", "batch_id")
    op.drop_table("batches")
