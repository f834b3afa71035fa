"""Webhooks, and the deliveries of events to them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.database_time import database_time
from adapters.sql.types import Guid, Json, LongText, UtcDateTime, symbol

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_row_format": "DYNAMIC",
}


def upgrade() -> None:
    """Add two tables. The previous version keeps working, but posts no events."""
    op.create_table(
        "webhooks",
        sa.Column("webhook_id", Guid, primary_key=True),
        sa.Column("tenant", symbol(63), nullable=False),
        sa.Column("project_id", sa.Integer),
        sa.Column("url", symbol(2048), nullable=False),
        sa.Column("events", Json, nullable=False),
        sa.Column("status", symbol(16), nullable=False),
        sa.Column("secret", Json, nullable=False),
        sa.Column("previous_secret", Json),
        sa.Column("previous_until", UtcDateTime),
        sa.Column("disabled_because", LongText),
        sa.Column("failing_since", UtcDateTime),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Index("ix_webhooks_tenant", "tenant", "created_at", "webhook_id"),
        sa.Index("ix_webhooks_status", "status", "tenant", "project_id"),
        **_OPTIONS,
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("delivery_id", Guid, primary_key=True),
        sa.Column("tenant", symbol(63), nullable=False),
        sa.Column("project_id", sa.Integer),
        sa.Column("webhook_id", Guid),
        sa.Column("receiver", symbol(64), nullable=False),
        sa.Column("event", symbol(32), nullable=False),
        sa.Column("subject", Guid, nullable=False),
        sa.Column("position", sa.SmallInteger, nullable=False),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("status", symbol(16), nullable=False),
        sa.Column("due_at", UtcDateTime, server_default=database_time()),
        sa.Column("claims", sa.Integer, nullable=False),
        sa.Column("attempts", Json, nullable=False),
        sa.Column("attempt_count", sa.Integer, nullable=False),
        sa.Column("retry_until", UtcDateTime),
        sa.Column("settled_at", UtcDateTime),
        sa.Index("ix_webhook_deliveries_due", "status", "due_at", "receiver", "delivery_id"),
        sa.Index("ix_webhook_deliveries_subject", "subject", "receiver", "status", "position"),
        sa.Index("ix_webhook_deliveries_webhook", "webhook_id", "occurred_at", "delivery_id"),
        sa.Index("ix_webhook_deliveries_project", "project_id"),
        sa.Index("ix_webhook_deliveries_tenant", "tenant"),
        sa.Index("ix_webhook_deliveries_settled", "settled_at"),
        **_OPTIONS,
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
