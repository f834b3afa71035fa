"""The history of the queue and of the machines. The previous version writes none."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import UtcDateTime

revision = "0029"
down_revision = "0028"
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
        "cluster_history",
        sa.Column("step_s", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("begin_at", UtcDateTime, primary_key=True),
        sa.Column("waiting", sa.Integer, nullable=False),
        sa.Column("running", sa.Integer, nullable=False),
        sa.Column("oldest_wait_ms", sa.BigInteger, nullable=False),
        sa.Column("cpu_percent", sa.Double),
        sa.Column("memory_percent", sa.Double),
        sa.Column("measured", sa.Integer, nullable=False),
        **_OPTIONS,
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("cluster_history")
