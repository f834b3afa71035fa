"""The start of each lease, which shows whether the clock was set back, and heartbeats of processes."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.tables import WORKER_MAX_CHARS
from adapters.sql.types import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_row_format": "DYNAMIC",
}


def upgrade() -> None:
    """Add a column, extend its index, and add a table. The previous version keeps working."""
    op.add_column("executions", sa.Column("leased_at", UtcDateTime()))
    op.create_index("ix_executions_leased", "executions", ["state", "lease_expires_at", "leased_at"])
    op.drop_index("ix_executions_lease", "executions")
    op.create_table(
        "heartbeats",
        sa.Column("process", sa.String(WORKER_MAX_CHARS), primary_key=True),
        sa.Column("beat_at", UtcDateTime(), nullable=False),
        **_OPTIONS,
    )


def downgrade() -> None:
    """Drop the table and the column, and restore the index."""
    op.drop_table("heartbeats")
    op.create_index("ix_executions_lease", "executions", ["state", "lease_expires_at"])
    op.drop_index("ix_executions_leased", "executions")
    op.drop_column("executions", "leased_at")
