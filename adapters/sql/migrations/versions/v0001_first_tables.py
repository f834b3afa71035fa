"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.database_time import database_time
from adapters.sql.types import ExactText, Guid, Json, LongText, UtcDateTime, symbol

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_row_format": "DYNAMIC",
}
_INDEXES = (
    ("ix_jobs_created", "jobs", ["created_at", "job_id"]),
    ("ix_jobs_status", "jobs", ["status", "created_at", "job_id"]),
    ("ix_jobs_language", "jobs", ["language", "created_at", "job_id"]),
    ("ix_jobs_project", "jobs", ["project_id", "created_at", "job_id"]),
    ("ix_jobs_project_status", "jobs", ["project_id", "status", "created_at", "job_id"]),
    ("ix_jobs_project_language", "jobs", ["project_id", "language", "created_at", "job_id"]),
    ("ix_job_tags_value", "job_tags", ["name", "value", "created_at", "job_id"]),
    ("ix_job_tags_project", "job_tags", ["project_id", "name", "value", "created_at", "job_id"]),
    ("ix_executions_job", "executions", ["job_id", "number"]),
    (
        "ix_executions_queue",
        "executions",
        ["state", "precedence", "requested_at", "execution_id", "waiting_since"],
    ),
    ("ix_executions_lease", "executions", ["state", "lease_expires_at"]),
    ("ix_outbox_added", "outbox", ["added_at", "message_id"]),
)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "projects",
        sa.Column("project_id", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("live_name", sa.String(255)),
        sa.Column("description", LongText()),
        sa.Column("status", symbol(16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", name="pk_projects"),
        sa.UniqueConstraint("live_name", name="uq_projects_live_name"),
        sqlite_autoincrement=True,
        **_OPTIONS,
    )
    op.create_table(
        "jobs",
        sa.Column("job_id", Guid(), nullable=False),
        sa.Column("project_id", sa.Integer, nullable=False),
        sa.Column("status", symbol(16), nullable=False),
        sa.Column("reason", symbol(32)),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime()),
        sa.Column("completed_at", UtcDateTime()),
        sa.Column("current_execution_id", Guid()),
        sa.Column("language", symbol(32), nullable=False),
        sa.Column("code_key", sa.String(1024), nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("max_attempts", sa.SmallInteger, nullable=False),
        sa.Column("limits", Json(), nullable=False),
        sa.Column("tags", Json(), nullable=False),
        sa.Column("function_name", LongText()),
        sa.Column("description", LongText()),
        sa.Column("args", Json(), nullable=False),
        sa.Column("env", Json(), nullable=False),
        sa.Column("stdin", LongText(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_jobs"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.project_id"], name="fk_jobs_project_id"),
        **_OPTIONS,
    )
    op.create_table(
        "job_tags",
        sa.Column("job_id", Guid(), nullable=False),
        sa.Column("name", symbol(64), nullable=False),
        sa.Column("value", ExactText(255), nullable=False),
        sa.Column("project_id", sa.Integer, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "name", name="pk_job_tags"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name="fk_job_tags_job_id"),
        **_OPTIONS,
    )
    op.create_table(
        "executions",
        sa.Column("execution_id", Guid(), nullable=False),
        sa.Column("job_id", Guid(), nullable=False),
        sa.Column("number", sa.SmallInteger, nullable=False),
        sa.Column("precedence", sa.SmallInteger, nullable=False),
        sa.Column("state", symbol(16), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("waiting_since", UtcDateTime(), server_default=database_time(), nullable=False),
        sa.Column("claimed_at", UtcDateTime()),
        sa.Column("claimed_by", sa.String(255)),
        sa.Column("lease_expires_at", UtcDateTime()),
        sa.Column("started_at", UtcDateTime()),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("status", symbol(16)),
        sa.Column("reason", symbol(32)),
        sa.Column("exit_code", sa.BigInteger),
        sa.Column("signal", sa.Integer),
        sa.Column("execution_time_ms", sa.BigInteger),
        sa.Column("cpu_time_ms", sa.BigInteger),
        sa.Column("cpu_percent", sa.Double),
        sa.Column("memory_mb", sa.Double),
        sa.Column("limit_name", symbol(64)),
        sa.Column("limit_measured", sa.BigInteger),
        sa.Column("limit_allowed", sa.BigInteger),
        sa.Column("log_key", sa.String(1024)),
        sa.Column("stdout_bytes", sa.BigInteger),
        sa.Column("stdout_truncated", sa.Boolean),
        sa.Column("stderr_bytes", sa.BigInteger),
        sa.Column("stderr_truncated", sa.Boolean),
        sa.Column("error_message", LongText()),
        sa.Column("stdout", LongText()),
        sa.Column("stderr", LongText()),
        sa.Column("stdin", LongText()),
        sa.PrimaryKeyConstraint("execution_id", name="pk_executions"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name="fk_executions_job_id"),
        **_OPTIONS,
    )
    op.create_table(
        "outbox",
        sa.Column("message_id", Guid(), nullable=False),
        sa.Column("name", symbol(64), nullable=False),
        sa.Column("body", Json(), nullable=False),
        sa.Column("added_at", UtcDateTime(), server_default=database_time(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name="pk_outbox"),
        **_OPTIONS,
    )
    op.create_table(
        "inbox",
        sa.Column("digest", sa.CHAR(64), nullable=False),
        sa.Column("source", LongText(), nullable=False),
        sa.Column("message_id", LongText(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_inbox"),
        **_OPTIONS,
    )
    for name, table, columns in _INDEXES:
        op.create_index(name, table, columns)


def downgrade() -> None:
    """Drop the tables."""
    for table in ("inbox", "outbox", "executions", "job_tags", "jobs", "projects"):
        op.drop_table(table)
