"""Versions of case sets."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Guid, UtcDateTime, symbol

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_row_format": "DYNAMIC",
}


def upgrade() -> None:
    """Add a table. The previous version keeps working, but leaves the sets of projects that it purges."""
    op.create_table(
        "case_set_versions",
        sa.Column("project_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", symbol(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version_id", Guid, nullable=False, unique=True),
        sa.Column("tenant", symbol(63), nullable=False),
        sa.Column("manifest_sha256", symbol(64), nullable=False),
        sa.Column("manifest_size", sa.BigInteger, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Index("ix_case_set_versions_tenant", "tenant"),
        **_OPTIONS,
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("case_set_versions")
