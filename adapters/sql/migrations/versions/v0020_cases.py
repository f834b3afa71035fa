"""The cases of jobs. The previous version ignores them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Guid, Json, LongText, UtcDateTime, symbol

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_row_format": "DYNAMIC",
}


def upgrade() -> None:
    """Add three tables."""
    op.create_table(
        "case_runs",
        sa.Column("job_id", Guid, sa.ForeignKey("jobs.job_id"), primary_key=True),
        sa.Column("tree_sha256", symbol(64)),
        sa.Column("tree_size", sa.BigInteger),
        sa.Column("compile_output", LongText),
        sa.Column("compile_output_bytes", sa.BigInteger),
        sa.Column("compile_output_truncated", sa.Boolean),
        sa.Column("skip_after", sa.Integer),
        **_OPTIONS,
    )
    op.create_table(
        "case_ranges",
        sa.Column("range_id", Guid, primary_key=True),
        sa.Column("job_id", Guid, sa.ForeignKey("jobs.job_id"), nullable=False),
        sa.Column("tenant", symbol(63), server_default="default", nullable=False),
        sa.Column("first_index", sa.Integer, nullable=False),
        sa.Column("last_index", sa.Integer, nullable=False),
        sa.Column("leased_at", UtcDateTime),
        sa.Column("lease_expires_at", UtcDateTime),
        sa.Index("ix_case_ranges_job", "job_id", "first_index"),
        **_OPTIONS,
    )
    op.create_table(
        "case_results",
        sa.Column("job_id", Guid, sa.ForeignKey("jobs.job_id"), primary_key=True),
        sa.Column("case_index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("verdict", symbol(32), nullable=False),
        sa.Column("body", Json, nullable=False),
        **_OPTIONS,
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("case_results")
    op.drop_table("case_ranges")
    op.drop_table("case_runs")
