"""Tenants, their API keys, and the owner of every project, job and execution.

Existing rows belong to the tenant `default`, and so do rows that the previous version writes. Indexes keep
their names, which the previous version uses in its statements. Until it is replaced, its lists and its claims
scan more rows.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Guid, Json, UtcDateTime, symbol

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_row_format": "DYNAMIC",
}
_TENANT = symbol(63)
_OWNED = ("projects", "jobs", "job_tags", "executions")
# The old and the new columns of each index, by table and name.
_INDEXES: dict[str, dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "jobs": {
        "ix_jobs_created": (("created_at", "job_id"), ("tenant", "created_at", "job_id")),
        "ix_jobs_status": (
            ("status", "created_at", "job_id"),
            ("tenant", "status", "created_at", "job_id"),
        ),
        "ix_jobs_language": (
            ("language", "status", "created_at", "job_id"),
            ("tenant", "language", "status", "created_at", "job_id"),
        ),
    },
    "job_tags": {
        "ix_job_tags_value": (
            ("name", "value", "created_at", "job_id"),
            ("tenant", "name", "value", "created_at", "job_id"),
        ),
    },
    "executions": {
        "ix_executions_queue": (
            ("state", "precedence", "requested_at", "execution_id", "waiting_since"),
            ("state", "tenant", "precedence", "requested_at", "execution_id", "waiting_since"),
        ),
        "ix_executions_language": (
            ("state", "language", "precedence", "requested_at", "execution_id", "deferred_since"),
            ("state", "language", "tenant", "precedence", "requested_at", "execution_id", "deferred_since"),
        ),
    },
}


def upgrade() -> None:
    """Add the tables and columns, and the tenant to the indexes. The previous version keeps working."""
    tenants = op.create_table(
        "tenants",
        sa.Column("tenant", _TENANT, primary_key=True),
        sa.Column("status", symbol(16), nullable=False),
        sa.Column("quota", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        **_OPTIONS,
    )
    # An interrupted migration may have added it.
    if op.get_bind().execute(sa.select(tenants.c.tenant)).first() is None:
        now = datetime.now(UTC)
        op.bulk_insert(tenants, [{"tenant": "default", "status": "ACTIVE", "quota": {}, "created_at": now}])
    op.create_table(
        "api_keys",
        sa.Column("key_id", Guid, primary_key=True),
        sa.Column("tenant", _TENANT, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("digest", symbol(64), nullable=False, unique=True),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("project_id", sa.Integer),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("expires_at", UtcDateTime()),
        sa.Column("revoked_at", UtcDateTime()),
        sa.Column("last_used_at", UtcDateTime()),
        sa.Index("ix_api_keys_tenant", "tenant", "created_at", "key_id"),
        **_OPTIONS,
    )
    for table in _OWNED:
        op.add_column(table, sa.Column("tenant", _TENANT, server_default="default", nullable=False))
    _widen_names(319)
    op.create_index("ix_projects_tenant", "projects", ["tenant", "project_id"])
    op.create_index("ix_executions_log", "executions", ["log_key"], mysql_length={"log_key": 64})
    for table, indexes in _INDEXES.items():
        _replace(table, {name: after for name, (_before, after) in indexes.items()})


def downgrade() -> None:
    """Remove tenants; no rows of tenants other than the default may be left."""
    for table, indexes in _INDEXES.items():
        _replace(table, {name: before for name, (before, _after) in indexes.items()})
    op.drop_index("ix_executions_log", "executions")
    op.drop_index("ix_projects_tenant", "projects")
    _widen_names(255)
    for table in _OWNED:
        op.drop_column(table, "tenant")
    op.drop_table("api_keys")
    op.drop_table("tenants")


def _widen_names(chars: int) -> None:
    """Make room for a prefix with the tenant's name in project names. SQLite ignores lengths."""
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column("projects", "live_name", type_=sa.String(chars), existing_nullable=True)


def _replace(table: str, indexes: dict[str, tuple[str, ...]]) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name, columns in indexes.items():
            op.drop_index(name, table)
            op.create_index(name, table, list(columns))
        return
    # A single statement, so that the indexes are never missing.
    changes = (
        f"DROP INDEX {name}, ADD INDEX {name} ({', '.join(columns)})" for name, columns in indexes.items()
    )
    op.execute(f"ALTER TABLE {table} {', '.join(changes)}")
