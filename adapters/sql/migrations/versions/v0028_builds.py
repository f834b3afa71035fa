"""Builds of jobs, by key. The previous version finds none and builds again."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Guid, LongText, symbol

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_row_format": "DYNAMIC",
}


def upgrade() -> None:
    """Add a table."""
    op.create_table(
        "job_builds",
        sa.Column("job_id", Guid, sa.ForeignKey("jobs.job_id"), primary_key=True),
        sa.Column("build_key", symbol(64), primary_key=True),
        sa.Column("tenant", symbol(63), server_default="default", nullable=False),
        sa.Column("tree_sha256", symbol(64), nullable=False),
        sa.Column("tree_size", sa.BigInteger, nullable=False),
        sa.Column("compile_output", LongText),
        sa.Column("compile_output_bytes", sa.BigInteger),
        sa.Column("compile_output_truncated", sa.Boolean),
        sa.Index("ix_job_builds_key", "tenant", "build_key"),
        **_OPTIONS,
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("job_builds")
