"""Retention policies. The previous version keeps everything."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Json, UtcDateTime, symbol

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_row_format": "DYNAMIC",
}


def upgrade() -> None:
    """Add two tables."""
    op.create_table(
        "retention_policies",
        sa.Column("tenant", symbol(63), primary_key=True),
        sa.Column("project_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("policy", Json, nullable=False),
        sa.Index("ix_retention_policies_project", "project_id"),
        **_OPTIONS,
    )
    op.create_table(
        "retention_marks",
        sa.Column("name", symbol(128), primary_key=True),
        sa.Column("at", UtcDateTime),
        **_OPTIONS,
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("retention_marks")
    op.drop_table("retention_policies")
