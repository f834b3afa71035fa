"""Idempotency keys of requests, and the stored answers. The previous version ignores them."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import ExactText, Guid, Json, LongBytes, UtcDateTime, symbol

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant", symbol(63), primary_key=True),
        sa.Column("digest", symbol(64), primary_key=True),
        sa.Column("request_id", Guid, nullable=False),
        sa.Column("fingerprint", symbol(64), nullable=False),
        sa.Column("made", ExactText(255), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("answer_due", UtcDateTime(), nullable=False),
        sa.Column("status", sa.SmallInteger),
        sa.Column("headers", Json),
        sa.Column("body", LongBytes),
        sa.Index("ix_idempotency_keys_received", "received_at"),
        sa.Index("ix_idempotency_keys_made", "made"),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_row_format="DYNAMIC",
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("idempotency_keys")
