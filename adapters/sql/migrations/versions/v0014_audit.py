"""The audit log, and sums of the usage in its entries."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Guid, UtcDateTime, symbol

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_row_format": "DYNAMIC",
}
_USAGE = ("uploads", "executions", "cpu_ms", "stored_bytes")
_TABLES = ("audit_journal", "audit_ledger", "audit_head", "usage_by_day", "usage_of_tenants")


def _entry_columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("tenant", symbol(63)),
        sa.Column("principal", sa.String(255), nullable=False),
        sa.Column("address", sa.String(64)),
        sa.Column("act", symbol(32), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("outcome", symbol(64), nullable=False),
        sa.Column("request_id", sa.String(128)),
        sa.Column("project_id", sa.Integer),
        sa.Column("uploads", sa.Integer, nullable=False),
        sa.Column("executions", sa.Integer, nullable=False),
        sa.Column("cpu_ms", sa.BigInteger, nullable=False),
        sa.Column("stored_bytes", sa.BigInteger, nullable=False),
        sa.Column("left_out", sa.Integer, nullable=False),
    )


def _usage_columns() -> tuple[sa.Column[Any], ...]:
    return tuple(sa.Column(name, sa.BigInteger, nullable=False) for name in _USAGE)


def upgrade() -> None:
    """Add tables. The previous version keeps working, but writes no audit entries."""
    op.create_table(
        "audit_journal",
        sa.Column("entry_id", Guid, primary_key=True),
        *_entry_columns(),
        sqlite_with_rowid=False,
        **_OPTIONS,
    )
    op.create_table(
        "audit_ledger",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("entry_id", Guid, nullable=False, unique=True),
        *_entry_columns(),
        sa.Column("hash", symbol(64), nullable=False),
        sa.Index("ix_audit_ledger_at", "at", "sequence"),
        sa.Index("ix_audit_ledger_tenant", "tenant", "at", "sequence"),
        sa.Index("ix_audit_ledger_act", "tenant", "act", "at", "sequence"),
        sa.Index("ix_audit_ledger_principal", "tenant", "principal", "at", "sequence"),
        sqlite_with_rowid=False,
        **_OPTIONS,
    )
    op.create_table(
        "audit_head",
        sa.Column("head_id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("hash", symbol(64), nullable=False),
        **_OPTIONS,
    )
    op.create_table(
        "usage_by_day",
        sa.Column("tenant", symbol(63), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("project_id", sa.Integer, primary_key=True, autoincrement=False),
        *_usage_columns(),
        sqlite_with_rowid=False,
        **_OPTIONS,
    )
    op.create_table(
        "usage_of_tenants",
        sa.Column("tenant", symbol(63), primary_key=True),
        sa.Column("period", symbol(10), primary_key=True),
        *_usage_columns(),
        sqlite_with_rowid=False,
        **_OPTIONS,
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in reversed(_TABLES):
        op.drop_table(table)
