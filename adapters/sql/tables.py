"""Table definitions. Every list and every sweep has an index that yields its rows in order."""

from typing import Any

import sqlalchemy as sa

from adapters.sql.database_time import database_time, long_ago
from adapters.sql.types import ExactText, Guid, Json, LongBytes, LongText, UtcDateTime, symbol
from domain.api_key import KEY_NAME_MAX_CHARS
from domain.audit import (
    ADDRESS_MAX_CHARS,
    OUTCOME_MAX_CHARS,
    PRINCIPAL_MAX_CHARS,
    REQUEST_ID_MAX_CHARS,
    SUBJECT_MAX_CHARS,
)
from domain.blob import SHA256_CHARS
from domain.case_set import CASE_SET_NAME_MAX_CHARS
from domain.session import SESSION_NAME_MAX_CHARS
from domain.submission import TAG_MAX_CHARS
from domain.tenant import DEFAULT_TENANT, TENANT_NAME_MAX_CHARS
from domain.trace_context import TRACE_CONTEXT_MAX_CHARS
from domain.values import OBJECT_KEY_MAX_BYTES, PROJECT_NAME_MAX_CHARS
from domain.webhook_url import URL_MAX_CHARS

TAG_NAME_MAX_CHARS = 64
WORKER_MAX_CHARS = 255
# The table that stores the current revision.
VERSION_TABLE = "service_server_version"

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)
_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_row_format": "DYNAMIC",
}
# SQLite ignores lengths, so there the declaration from before tenants is kept.
_LIVE_NAME = sa.String(TENANT_NAME_MAX_CHARS + 1 + PROJECT_NAME_MAX_CHARS).with_variant(
    sa.String(PROJECT_NAME_MAX_CHARS), "sqlite"
)


def _owner() -> sa.Column[str]:
    """Return the column of a row's tenant. Versions before 0011 leave it out when they insert rows."""
    return sa.Column(
        "tenant", symbol(TENANT_NAME_MAX_CHARS), server_default=DEFAULT_TENANT.value, nullable=False
    )


tenants = sa.Table(
    "tenants",
    metadata,
    sa.Column("tenant", symbol(TENANT_NAME_MAX_CHARS), primary_key=True),
    sa.Column("status", symbol(16), nullable=False),
    sa.Column("quota", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    **_OPTIONS,
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("key_id", Guid, primary_key=True),
    sa.Column("tenant", symbol(TENANT_NAME_MAX_CHARS), nullable=False),
    sa.Column("name", sa.String(KEY_NAME_MAX_CHARS), nullable=False),
    sa.Column("digest", symbol(64), nullable=False, unique=True),
    sa.Column("scopes", Json, nullable=False),
    # The only project that the key can access; NULL if it can access all.
    sa.Column("project_id", sa.Integer),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("created_by", sa.String(PRINCIPAL_MAX_CHARS), nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
    sa.Column("last_used_at", UtcDateTime),
    # The key's own limit, in addition to its tenant's.
    sa.Column("requests_per_s", sa.BigInteger),
    sa.Index("ix_api_keys_tenant", "tenant", "created_at", "key_id"),
    **_OPTIONS,
)

projects = sa.Table(
    "projects",
    metadata,
    sa.Column("project_id", sa.Integer, primary_key=True, autoincrement=True),
    _owner(),
    sa.Column("name", sa.String(PROJECT_NAME_MAX_CHARS), nullable=False),
    # The name until the project is deleted, then NULL, so that the name can be reused. Prefixed with
    # `TENANT/`, unless the tenant is the default.
    sa.Column("live_name", _LIVE_NAME, unique=True),
    sa.Column("description", LongText),
    sa.Column("status", symbol(16), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    # When the project was last given work. Versions before 0030 leave it out when they insert rows.
    sa.Column("active_at", UtcDateTime, server_default=long_ago(), nullable=False),
    sa.Index("ix_projects_tenant", "tenant", "project_id"),
    sa.Index("ix_projects_active", "tenant", "active_at", "project_id"),
    sa.Index("ix_projects_name", "tenant", "live_name", "project_id"),
    sqlite_autoincrement=True,
    **_OPTIONS,
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("job_id", Guid, primary_key=True),
    _owner(),
    sa.Column("project_id", sa.Integer, sa.ForeignKey("projects.project_id"), nullable=False),
    sa.Column("status", symbol(16), nullable=False),
    sa.Column("reason", symbol(32)),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("started_at", UtcDateTime),
    sa.Column("completed_at", UtcDateTime),
    sa.Column("current_execution_id", Guid),
    # The job's specification without stdin; NULL in rows written by versions before 0009.
    sa.Column("spec", Json),
    sa.Column("stdin", LongText, nullable=False),
    # Copies of the parts of the specification that lists search or show; `description` below is one too.
    sa.Column("language", symbol(32), nullable=False),
    sa.Column("code_key", sa.String(OBJECT_KEY_MAX_BYTES), nullable=False),
    # The tags as shown; job_tags holds them in searchable form.
    sa.Column("tags", Json, nullable=False),
    # Copies for versions before 0009, which do not read `spec`.
    sa.Column("priority", sa.SmallInteger, nullable=False),
    sa.Column("max_attempts", sa.SmallInteger, nullable=False),
    sa.Column("limits", Json, nullable=False),
    sa.Column("function_name", LongText),
    sa.Column("description", LongText),
    sa.Column("args", Json, nullable=False),
    sa.Column("env", Json, nullable=False),
    sa.Column("batch_id", Guid),
    sa.Index("ix_jobs_created", "tenant", "created_at", "job_id"),
    sa.Index("ix_jobs_status", "tenant", "status", "created_at", "job_id"),
    sa.Index("ix_jobs_language", "tenant", "language", "status", "created_at", "job_id"),
    sa.Index("ix_jobs_project", "project_id", "created_at", "job_id"),
    sa.Index("ix_jobs_project_status", "project_id", "status", "created_at", "job_id"),
    sa.Index("ix_jobs_project_language", "project_id", "language", "status", "created_at", "job_id"),
    sa.Index(
        "ix_jobs_batch",
        *("batch_id", "status", "job_id"),
        sqlite_where=sa.text("batch_id IS NOT NULL"),
    ),
    # Imported jobs may share code keys. The other keys contain the job's id and are unique to it.
    sa.Index(
        "ix_jobs_code",
        "code_key",
        mysql_length={"code_key": 64},
        sqlite_where=sa.text("instr(code_key, job_id) = 0"),
    ),
    **_OPTIONS,
)

# For each rerun, the job that it runs again.
job_reruns = sa.Table(
    "job_reruns",
    metadata,
    sa.Column("job_id", Guid, primary_key=True),
    sa.Column("rerun_of", Guid, nullable=False),
    sa.Index("ix_job_reruns_rerun_of", "rerun_of", "job_id"),
    **_OPTIONS,
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("batch_id", Guid, primary_key=True),
    sa.Column("tenant", symbol(TENANT_NAME_MAX_CHARS), nullable=False),
    # NULL if its jobs belong to several projects.
    sa.Column("project_id", sa.Integer),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("cancelled_at", UtcDateTime),
    sa.Column("completed_at", UtcDateTime),
    sa.Column("callback_url", symbol(URL_MAX_CHARS)),
    # Sealed; JSON's null if there is none.
    sa.Column("callback_secret", Json),
    sa.Index("ix_batches_created", "tenant", "created_at", "batch_id"),
    # NULL sorts first, and unfinished batches are few.
    sa.Index("ix_batches_completed", "completed_at", "cancelled_at", "batch_id"),
    **_OPTIONS,
)

job_tags = sa.Table(
    "job_tags",
    metadata,
    sa.Column("job_id", Guid, sa.ForeignKey("jobs.job_id"), primary_key=True),
    sa.Column("name", symbol(TAG_NAME_MAX_CHARS), primary_key=True),
    sa.Column("value", ExactText(TAG_MAX_CHARS), nullable=False),
    _owner(),
    sa.Column("project_id", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Index("ix_job_tags_value", "tenant", "name", "value", "created_at", "job_id"),
    sa.Index("ix_job_tags_project", "project_id", "name", "value", "created_at", "job_id"),
    **_OPTIONS,
)

executions = sa.Table(
    "executions",
    metadata,
    sa.Column("execution_id", Guid, primary_key=True),
    sa.Column("job_id", Guid, sa.ForeignKey("jobs.job_id"), nullable=False),
    _owner(),
    sa.Column("number", sa.SmallInteger, nullable=False),
    # The maximum priority minus the job's priority, so that an ascending index yields the order of claims.
    sa.Column("precedence", sa.SmallInteger, nullable=False),
    sa.Column("state", symbol(16), nullable=False),
    # The job's language; NULL in rows written by versions without this column.
    sa.Column("language", symbol(32)),
    sa.Column("requested_at", UtcDateTime, nullable=False),
    sa.Column("waiting_since", UtcDateTime, server_default=database_time(), nullable=False),
    # When its engine first failed to start it.
    sa.Column("deferred_since", UtcDateTime),
    sa.Column("claimed_at", UtcDateTime),
    sa.Column("claimed_by", sa.String(WORKER_MAX_CHARS)),
    sa.Column("leased_at", UtcDateTime),
    sa.Column("lease_expires_at", UtcDateTime),
    sa.Column("started_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("building_at", UtcDateTime),
    # Notes from before the end; result_notes has the others.
    sa.Column("notes", Json),
    sa.Column("request_id", sa.String(REQUEST_ID_MAX_CHARS)),
    sa.Column("trace_context", symbol(TRACE_CONTEXT_MAX_CHARS)),
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
    sa.Column("log_key", sa.String(OBJECT_KEY_MAX_BYTES)),
    sa.Column("stdout_bytes", sa.BigInteger),
    sa.Column("stdout_truncated", sa.Boolean),
    sa.Column("stderr_bytes", sa.BigInteger),
    sa.Column("stderr_truncated", sa.Boolean),
    # In English. error_text has the message's code and values, unless an engine wrote the message itself.
    sa.Column("error_message", LongText),
    sa.Column("error_text", Json),
    sa.Column("result_notes", Json),
    sa.Column("compile_output", LongText),
    sa.Column("compile_output_bytes", sa.BigInteger),
    sa.Column("compile_output_truncated", sa.Boolean),
    sa.Column("stdout", LongText),
    sa.Column("stderr", LongText),
    sa.Column("stdin", LongText),
    # The summary of the results of the job's cases; NULL if it has none.
    sa.Column("cases_summary", Json),
    # Artifacts. The execution owns the references to their blobs.
    sa.Column("artifacts", Json),
    # The bytes counted to the tenant's storage; NULL in rows written by versions that did not count them.
    sa.Column("log_bytes", sa.BigInteger),
    sa.Index("ix_executions_job", "job_id", "number"),
    # In the order of claims. The last column makes the index cover the sweep's query.
    sa.Index(
        "ix_executions_queue",
        *("state", "tenant", "precedence", "requested_at", "execution_id", "waiting_since"),
    ),
    # The same for one language, used while the engine of another language is unavailable.
    sa.Index(
        "ix_executions_language",
        *("state", "language", "tenant", "precedence", "requested_at", "execution_id", "deferred_since"),
    ),
    sa.Index("ix_executions_leased", "state", "lease_expires_at", "leased_at"),
    sa.Index("ix_executions_ended", "ended_at"),
    # This prefix covers a directory and a UUID; an index on the whole key would exceed the size limit.
    sa.Index("ix_executions_log", "log_key", mysql_length={"log_key": 64}),
    **_OPTIONS,
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("message_id", Guid, primary_key=True),
    sa.Column("name", symbol(64), nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.Column("added_at", UtcDateTime, server_default=database_time(), nullable=False),
    # When a sweep took the message to publish it; other sweeps then skip it for a while.
    sa.Column("taken_at", UtcDateTime),
    sa.Index("ix_outbox_added", "added_at", "message_id"),
    **_OPTIONS,
)

inbox = sa.Table(
    "inbox",
    metadata,
    # SHA-256 of source and id, because the ids of a source may have any length.
    sa.Column("digest", sa.CHAR(64), primary_key=True),
    sa.Column("source", LongText, nullable=False),
    sa.Column("message_id", LongText, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Index("ix_inbox_received", "received_at"),
    **_OPTIONS,
)

heartbeats = sa.Table(
    "heartbeats",
    metadata,
    sa.Column("process", sa.String(WORKER_MAX_CHARS), primary_key=True),
    sa.Column("beat_at", UtcDateTime, nullable=False),
    # The names of the queues that the process serves.
    sa.Column("queues", Json),
    **_OPTIONS,
)

# Samples of the queue and the machines, at several resolutions (`step_s`), by the start of their interval.
cluster_history = sa.Table(
    "cluster_history",
    metadata,
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

# The latest committed transaction of each slot. A process has one slot per concurrent transaction.
commits = sa.Table(
    "commits",
    metadata,
    sa.Column("slot", Guid, primary_key=True),
    sa.Column("transaction_id", Guid, nullable=False),
    sa.Column("written_at", UtcDateTime, nullable=False),
    **_OPTIONS,
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("session_id", Guid, primary_key=True),
    sa.Column("digest", symbol(64), nullable=False, unique=True),
    # The tenant of the principal, and the tenant whose data is shown.
    sa.Column("home", symbol(TENANT_NAME_MAX_CHARS), nullable=False),
    sa.Column("tenant", symbol(TENANT_NAME_MAX_CHARS), nullable=False),
    sa.Column("principal", sa.String(PRINCIPAL_MAX_CHARS), nullable=False),
    sa.Column("name", sa.String(SESSION_NAME_MAX_CHARS), nullable=False),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("project_id", sa.Integer),
    sa.Column("key_id", Guid),
    # The SHA-256 of a sign-in at an identity provider; each sign-in creates at most one session.
    sa.Column("sign_in", symbol(64), unique=True),
    sa.Column("address", symbol(64)),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Index("ix_sessions_home", "home", "seen_at", "session_id"),
    sa.Index("ix_sessions_principal", "home", "principal"),
    sa.Index("ix_sessions_expires", "expires_at"),
    **_OPTIONS,
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("tenant", symbol(TENANT_NAME_MAX_CHARS), primary_key=True),
    sa.Column("digest", symbol(64), primary_key=True),
    sa.Column("request_id", Guid, nullable=False),
    sa.Column("fingerprint", symbol(64), nullable=False),
    sa.Column("made", ExactText(PROJECT_NAME_MAX_CHARS), nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("answer_due", UtcDateTime, nullable=False),
    # The answer; NULL until there is one.
    sa.Column("status", sa.SmallInteger),
    sa.Column("headers", Json),
    sa.Column("body", LongBytes),
    sa.Index("ix_idempotency_keys_received", "received_at"),
    sa.Index("ix_idempotency_keys_made", "made"),
    **_OPTIONS,
)


def _entry_columns() -> tuple[sa.Column[Any], ...]:
    """Return the columns of an audit entry, without its id."""
    return (
        sa.Column("at", UtcDateTime, nullable=False),
        # NULL if the caller is not authenticated.
        sa.Column("tenant", symbol(TENANT_NAME_MAX_CHARS)),
        sa.Column("principal", sa.String(PRINCIPAL_MAX_CHARS), nullable=False),
        sa.Column("address", sa.String(ADDRESS_MAX_CHARS)),
        sa.Column("act", symbol(32), nullable=False),
        sa.Column("subject", sa.String(SUBJECT_MAX_CHARS), nullable=False),
        sa.Column("outcome", symbol(OUTCOME_MAX_CHARS), nullable=False),
        sa.Column("request_id", sa.String(REQUEST_ID_MAX_CHARS)),
        sa.Column("project_id", sa.Integer),
        sa.Column("uploads", sa.Integer, nullable=False),
        sa.Column("executions", sa.Integer, nullable=False),
        sa.Column("cpu_ms", sa.BigInteger, nullable=False),
        sa.Column("stored_bytes", sa.BigInteger, nullable=False),
        sa.Column("left_out", sa.Integer, nullable=False),
    )


# Audit entries as written by their transactions. The table is short and has no index, because commands wait
# for the write. Entries are soon moved to the ledger.
audit_journal = sa.Table(
    "audit_journal",
    metadata,
    sa.Column("entry_id", Guid, primary_key=True),
    *_entry_columns(),
    sqlite_with_rowid=False,
    **_OPTIONS,
)

# Audit entries in the order of their hash chain.
audit_ledger = sa.Table(
    "audit_ledger",
    metadata,
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

# The end of the hash chain, in a row that is locked while entries are added.
audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("head_id", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("hash", symbol(64), nullable=False),
    **_OPTIONS,
)


def _usage_columns() -> tuple[sa.Column[Any], ...]:
    """Return the columns for sums of the usage in the ledger."""
    return tuple(
        sa.Column(name, sa.BigInteger, nullable=False)
        for name in ("uploads", "executions", "cpu_ms", "stored_bytes")
    )


usage_by_day = sa.Table(
    "usage_by_day",
    metadata,
    sa.Column("tenant", symbol(TENANT_NAME_MAX_CHARS), primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("project_id", sa.Integer, primary_key=True, autoincrement=False),
    *_usage_columns(),
    sqlite_with_rowid=False,
    **_OPTIONS,
)

# The same summed over all projects of a tenant: by day as an ISO date, and for all time.
usage_of_tenants = sa.Table(
    "usage_of_tenants",
    metadata,
    sa.Column("tenant", symbol(TENANT_NAME_MAX_CHARS), primary_key=True),
    sa.Column("period", symbol(10), primary_key=True),
    *_usage_columns(),
    sqlite_with_rowid=False,
    **_OPTIONS,
)

# Purges of projects and tenants that are in progress.
purges = sa.Table(
    "purges",
    metadata,
    sa.Column("purge_id", Guid, primary_key=True),
    sa.Column("tenant", symbol(TENANT_NAME_MAX_CHARS), nullable=False),
    # NULL for the whole tenant.
    sa.Column("project_id", sa.Integer),
    sa.Column("project", sa.String(PROJECT_NAME_MAX_CHARS), nullable=False),
    sa.Column("requested_at", UtcDateTime, nullable=False),
    sa.Column("requested_by", sa.String(PRINCIPAL_MAX_CHARS), nullable=False),
    sa.Column("removed_jobs", sa.BigInteger, nullable=False),
    sa.Column("freed_bytes", sa.BigInteger, nullable=False),
    # Whether no jobs are left.
    sa.Column("is_emptied", sa.Boolean, nullable=False),
    sa.Column("taken_at", UtcDateTime),
    sa.Column("taken_by", sa.String(WORKER_MAX_CHARS)),
    **_OPTIONS,
)

# Objects to be deleted because their jobs were removed.
pending_deletions = sa.Table(
    "pending_deletions",
    metadata,
    # SHA-256 of store and key, because a key is too long for an index.
    sa.Column("digest", sa.CHAR(64), primary_key=True),
    sa.Column("store", symbol(16), nullable=False),
    sa.Column("object_key", sa.String(OBJECT_KEY_MAX_BYTES), nullable=False),
    sa.Column("purge_id", Guid),
    sa.Column("added_at", UtcDateTime, server_default=database_time(), nullable=False),
    # When a process took it to delete the object; other processes then skip it for a while.
    sa.Column("taken_at", UtcDateTime),
    sa.Index("ix_pending_deletions_added", "added_at", "digest"),
    sa.Index("ix_pending_deletions_purge", "purge_id"),
    **_OPTIONS,
)

# Blobs by the digest of their content.
blobs = sa.Table(
    "blobs",
    metadata,
    sa.Column("tenant", symbol(TENANT_NAME_MAX_CHARS), primary_key=True),
    sa.Column("sha256", symbol(SHA256_CHARS), primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    # Whether its object is stored and counted, which is so from the first reference on.
    sa.Column("is_stored", sa.Boolean, nullable=False),
    # When it lost a reference or was announced; NULL once it is known to be referenced.
    sa.Column("idle_since", UtcDateTime),
    sa.Index("ix_blobs_idle", "idle_since"),
    **_OPTIONS,
)

blob_references = sa.Table(
    "blob_references",
    metadata,
    # The id of the job or other owner that references the blob.
    sa.Column("owner", Guid, primary_key=True),
    sa.Column("sha256", symbol(SHA256_CHARS), primary_key=True),
    sa.Column("tenant", symbol(TENANT_NAME_MAX_CHARS), nullable=False),
    sa.Index("ix_blob_references_blob", "tenant", "sha256"),
    **_OPTIONS,
)

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("webhook_id", Guid, primary_key=True),
    sa.Column("tenant", symbol(TENANT_NAME_MAX_CHARS), nullable=False),
    # NULL for all projects of the tenant.
    sa.Column("project_id", sa.Integer),
    sa.Column("url", symbol(URL_MAX_CHARS), nullable=False),
    sa.Column("events", Json, nullable=False),
    sa.Column("status", symbol(16), nullable=False),
    # Sealed secrets.
    sa.Column("secret", Json, nullable=False),
    sa.Column("previous_secret", Json),
    sa.Column("previous_until", UtcDateTime),
    sa.Column("disabled_because", LongText),
    sa.Column("failing_since", UtcDateTime),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("created_by", sa.String(PRINCIPAL_MAX_CHARS), nullable=False),
    sa.Index("ix_webhooks_tenant", "tenant", "created_at", "webhook_id"),
    sa.Index("ix_webhooks_status", "status", "tenant", "project_id"),
    **_OPTIONS,
)

# Deliveries of events to receivers, with their latest attempts.
webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("delivery_id", Guid, primary_key=True),
    sa.Column("tenant", symbol(TENANT_NAME_MAX_CHARS), nullable=False),
    sa.Column("project_id", sa.Integer),
    # NULL for a callback.
    sa.Column("webhook_id", Guid),
    sa.Column("receiver", symbol(64), nullable=False),
    sa.Column("event", symbol(32), nullable=False),
    sa.Column("subject", Guid, nullable=False),
    sa.Column("position", sa.SmallInteger, nullable=False),
    sa.Column("occurred_at", UtcDateTime, nullable=False),
    sa.Column("status", symbol(16), nullable=False),
    # When the next attempt is due, or the lease of the current attempt expires; NULL once settled.
    sa.Column("due_at", UtcDateTime, server_default=database_time()),
    # The number of claims; an attempt is stored only if this has not changed since its claim.
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

# Jobs with cases whose programs are built.
case_runs = sa.Table(
    "case_runs",
    metadata,
    sa.Column("job_id", Guid, sa.ForeignKey("jobs.job_id"), primary_key=True),
    # The blob of the build's files; NULL if there was no build.
    sa.Column("tree_sha256", symbol(SHA256_CHARS)),
    sa.Column("tree_size", sa.BigInteger),
    sa.Column("compile_output", LongText),
    sa.Column("compile_output_bytes", sa.BigInteger),
    sa.Column("compile_output_truncated", sa.Boolean),
    # The index after which cases are skipped; NULL for none.
    sa.Column("skip_after", sa.Integer),
    **_OPTIONS,
)

# Builds of programs and judges of jobs with cases. Other jobs find and reuse them by key.
job_builds = sa.Table(
    "job_builds",
    metadata,
    sa.Column("job_id", Guid, sa.ForeignKey("jobs.job_id"), primary_key=True),
    sa.Column("build_key", symbol(SHA256_CHARS), primary_key=True),
    _owner(),
    sa.Column("tree_sha256", symbol(SHA256_CHARS), nullable=False),
    sa.Column("tree_size", sa.BigInteger, nullable=False),
    sa.Column("compile_output", LongText),
    sa.Column("compile_output_bytes", sa.BigInteger),
    sa.Column("compile_output_truncated", sa.Boolean),
    sa.Index("ix_job_builds_key", "tenant", "build_key"),
    **_OPTIONS,
)

# Ranges of cases that are not done, claimed by a thread or unclaimed.
case_ranges = sa.Table(
    "case_ranges",
    metadata,
    # Changes with each claim.
    sa.Column("range_id", Guid, primary_key=True),
    sa.Column("job_id", Guid, sa.ForeignKey("jobs.job_id"), nullable=False),
    _owner(),
    sa.Column("first_index", sa.Integer, nullable=False),
    sa.Column("last_index", sa.Integer, nullable=False),
    # NULL while unclaimed.
    sa.Column("leased_at", UtcDateTime),
    sa.Column("lease_expires_at", UtcDateTime),
    sa.Index("ix_case_ranges_job", "job_id", "first_index"),
    **_OPTIONS,
)

case_results = sa.Table(
    "case_results",
    metadata,
    sa.Column("job_id", Guid, sa.ForeignKey("jobs.job_id"), primary_key=True),
    sa.Column("case_index", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("verdict", symbol(32), nullable=False),
    # The result without index and verdict.
    sa.Column("body", Json, nullable=False),
    **_OPTIONS,
)

# Versions of case sets, which many jobs use. A version never changes.
case_set_versions = sa.Table(
    "case_set_versions",
    metadata,
    sa.Column("project_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", symbol(CASE_SET_NAME_MAX_CHARS), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    # The owner id of the reference to the manifest's blob.
    sa.Column("version_id", Guid, nullable=False, unique=True),
    sa.Column("tenant", symbol(TENANT_NAME_MAX_CHARS), nullable=False),
    sa.Column("manifest_sha256", symbol(SHA256_CHARS), nullable=False),
    sa.Column("manifest_size", sa.BigInteger, nullable=False),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("created_by", sa.String(PRINCIPAL_MAX_CHARS), nullable=False),
    sa.Index("ix_case_set_versions_tenant", "tenant"),
    **_OPTIONS,
)

# Retention policies of tenants (with project 0) and of projects.
retention_policies = sa.Table(
    "retention_policies",
    metadata,
    sa.Column("tenant", symbol(TENANT_NAME_MAX_CHARS), primary_key=True),
    sa.Column("project_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("policy", Json, nullable=False),
    sa.Index("ix_retention_policies_project", "project_id"),
    **_OPTIONS,
)

# The progress of walks over old rows, and the last run of tasks that one process does at a time.
retention_marks = sa.Table(
    "retention_marks",
    metadata,
    sa.Column("name", symbol(128), primary_key=True),
    sa.Column("at", UtcDateTime),
    **_OPTIONS,
)
