"""Sessions of the dashboard."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Guid, Json, UtcDateTime, symbol

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_row_format": "DYNAMIC",
}


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "sessions",
        sa.Column("session_id", Guid, primary_key=True),
        sa.Column("digest", symbol(64), nullable=False, unique=True),
        sa.Column("home", symbol(63), nullable=False),
        sa.Column("tenant", symbol(63), nullable=False),
        sa.Column("principal", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("project_id", sa.Integer),
        sa.Column("key_id", Guid),
        sa.Column("sign_in", symbol(64), unique=True),
        sa.Column("address", symbol(64)),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime()),
        sa.Index("ix_sessions_home", "home", "seen_at", "session_id"),
        sa.Index("ix_sessions_principal", "home", "principal"),
        sa.Index("ix_sessions_expires", "expires_at"),
        **_OPTIONS,
    )


def downgrade() -> None:
    """Drop the table, which signs out every visitor."""
    op.drop_table("sessions")
