"""Mapping between rows and aggregates.

Rows are read by column name. Names include the table (`job_status`, `execution_status`), so that the same
functions read rows of joined tables.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from adapters.sql.packed_columns import PackedColumns
from adapters.sql.tables import api_keys, batches, executions, jobs, outbox, projects, tenants
from adapters.sql.types import encode_json
from application.messages import Message
from application.views import JobView
from domain.api_key import ApiKey
from domain.batch import Batch
from domain.blob import BlobRef
from domain.caller import Caller, Scope
from domain.cases import JobCases, StopOn, Summary
from domain.catalogue.text import Text, text_of
from domain.checker import DEFAULT_CHECKER, Checker, CheckerKind, JudgeProgram
from domain.errors import DomainError
from domain.execution import Execution, ExecutionResult, LimitHit, Note, Output, ResourceUsage
from domain.execution_lifecycle import ExecutionState
from domain.files import JobFile
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.language import LANGUAGES, Language
from domain.limits import STANDARD_BOUNDS, Limits
from domain.priority import MAX_PRIORITY
from domain.project import Project, ProjectStatus
from domain.quota import QUOTA_NAMES, Quota
from domain.sealed_secrets import SealedSecrets
from domain.submission import JobSpec
from domain.tenant import Tenant, TenantName, TenantStatus
from domain.trace_context import TraceContext
from domain.values import ObjectKey, ProjectName

Values = dict[str, Any]

# The values of the column `state`. Delegated and spooled executions are identified by `claimed_by`.
STORED_STATES = {
    ExecutionState.DELAYED: "DELAYED",
    ExecutionState.WAITING: "WAITING",
    ExecutionState.CLAIMED: "CLAIMED",
    ExecutionState.DELEGATED: "CLAIMED",
    ExecutionState.SPOOLED: "CLAIMED",
    ExecutionState.ENDED: "ENDED",
}

_DELAYED = STORED_STATES[ExecutionState.DELAYED]

# The errors raised while reading a row with content that this version of the service would not write.
UNREADABLE = (DomainError, LookupError, TypeError, ValueError, AttributeError)
# stdin has its own column, because it can be a megabyte.
_SPEC = tuple(field.name for field in fields(JobSpec) if field.name != "stdin")
# Parts of the specification that also have columns, for lists and for versions before 0009.
_COPIED = (
    *("code_key", "language", "tags"),
    *("limits", "function_name", "description", "args", "env", "priority", "max_attempts"),
)
_SCOPES = {scope.value: scope for scope in Scope}
_USAGE = tuple(field.name for field in fields(ResourceUsage))
_NOTES = {note.value: note for note in Note}
_USAGE_COLUMNS = {
    "execution_time_ms": "execution_time_ms",
    "cpu_time_ms": "execution_cpu_time_ms",
    "cpu_percent": "execution_cpu_percent",
    "memory_mb": "execution_memory_mb",
}


def _named(*columns: sa.Column[Any]) -> tuple[sa.Label[Any], ...]:
    """Prefix the names of columns with the name of their table, unless they have the prefix already."""
    return tuple(column.label(_name(column)) for column in columns)


def _name(column: sa.Column[Any]) -> str:
    owner = column.table.name.removesuffix("s")
    return column.name if column.name.startswith(f"{owner}_") else f"{owner}_{column.name}"


TENANT_COLUMNS = _named(*tenants.c)
BATCH_COLUMNS = tuple(batches.c)
KEY_COLUMNS = _named(*api_keys.c)

PROJECT_COLUMNS = _named(
    projects.c.project_id,
    projects.c.tenant,
    projects.c.name,
    projects.c.description,
    projects.c.status,
    projects.c.created_at,
    projects.c.active_at,
)

# The columns of a job with a specification. Jobs written by versions before 0009 have none.
SPECIFIED_JOB_COLUMNS = _named(
    jobs.c.job_id,
    jobs.c.tenant,
    jobs.c.project_id,
    jobs.c.status,
    jobs.c.reason,
    jobs.c.created_at,
    jobs.c.updated_at,
    jobs.c.started_at,
    jobs.c.completed_at,
    jobs.c.current_execution_id,
    jobs.c.batch_id,
    jobs.c.spec,
    jobs.c.stdin,
)
JOB_COLUMNS = SPECIFIED_JOB_COLUMNS + tuple(
    # Only read without a specification; otherwise decoding them would be wasted.
    sa.case((jobs.c.spec.is_(None), jobs.c[name])).label(f"job_{name}")
    for name in _COPIED
)

# The columns of a job that a list shows.
_VIEW = _named(
    projects.c.name,
    projects.c.status,
    jobs.c.job_id,
    jobs.c.project_id,
    jobs.c.code_key,
    jobs.c.language,
    jobs.c.status,
    jobs.c.reason,
    jobs.c.created_at,
    jobs.c.updated_at,
    jobs.c.started_at,
    jobs.c.completed_at,
    jobs.c.tags,
)

# The columns that are set while an execution waits.
REQUEST_COLUMNS = _named(
    executions.c.execution_id,
    executions.c.job_id,
    executions.c.number,
    executions.c.precedence,
    executions.c.requested_at,
    executions.c.deferred_since,
    executions.c.request_id,
    executions.c.trace_context,
    executions.c.stdin,
)

# Without stdin, which can be a megabyte and is not shown in lists.
_LISTED = _named(
    executions.c.execution_id,
    executions.c.job_id,
    executions.c.number,
    executions.c.precedence,
    executions.c.requested_at,
    executions.c.claimed_at,
    executions.c.claimed_by,
    executions.c.state,
    executions.c.lease_expires_at,
    executions.c.started_at,
    executions.c.ended_at,
    executions.c.building_at,
    executions.c.notes,
    executions.c.deferred_since,
    executions.c.request_id,
    executions.c.trace_context,
    executions.c.status,
    executions.c.reason,
    executions.c.exit_code,
    executions.c.signal,
    executions.c.execution_time_ms,
    executions.c.cpu_time_ms,
    executions.c.cpu_percent,
    executions.c.memory_mb,
    executions.c.limit_name,
    executions.c.limit_measured,
    executions.c.limit_allowed,
    executions.c.log_key,
    executions.c.stdout_bytes,
    executions.c.stdout_truncated,
    executions.c.stderr_bytes,
    executions.c.stderr_truncated,
    executions.c.error_message,
    executions.c.error_text,
    executions.c.stdout,
    executions.c.stderr,
    executions.c.result_notes,
    executions.c.compile_output,
    executions.c.compile_output_bytes,
    executions.c.compile_output_truncated,
    executions.c.cases_summary,
    executions.c.artifacts,
)
LISTED_COLUMNS = PackedColumns(*_VIEW, *_LISTED, sa.null().label("execution_stdin"))
EXECUTION_COLUMNS = (*_LISTED, *_named(executions.c.stdin))

MESSAGE_COLUMNS = (outbox.c.message_id, outbox.c.name, outbox.c.body)

Row = sa.RowMapping | Mapping[str, Any]

# Whether a caller can access a job that is joined with its project; `reach` returns the parameters.
is_reached = sa.and_(
    projects.c.status != ProjectStatus.PURGED.value,
    jobs.c.tenant == sa.bindparam("caller_tenant"),
    sa.or_(
        sa.bindparam("caller_project", type_=sa.Integer).is_(None),
        jobs.c.project_id == sa.bindparam("caller_project", type_=sa.Integer),
    ),
)


def reach(caller: Caller) -> Values:
    """Return the parameters of `is_reached`."""
    return {"caller_tenant": caller.tenant.name.value, "caller_project": caller.project}


def to_tenant(row: Row) -> Tenant:
    """Read TENANT_COLUMNS, without bounds that only a newer version knows."""
    figures: Mapping[str, int] = row["tenant_quota"]
    return Tenant(
        name=TenantName(row["tenant_tenant"]),
        status=TenantStatus(row["tenant_status"]),
        created_at=row["tenant_created_at"],
        quota=Quota.of({name: figure for name, figure in figures.items() if name in QUOTA_NAMES}),
    )


def to_key(row: Row) -> ApiKey | None:
    """Read KEY_COLUMNS, without scopes that only a newer version knows; None if there are no others."""
    scopes = to_scopes(row["api_key_scopes"])
    if not scopes:
        return None
    return ApiKey(
        id=row["api_key_key_id"],
        tenant=TenantName(row["api_key_tenant"]),
        name=row["api_key_name"],
        digest=row["api_key_digest"],
        scopes=scopes,
        created_at=row["api_key_created_at"],
        created_by=row["api_key_created_by"],
        project=row["api_key_project_id"],
        expires_at=row["api_key_expires_at"],
        revoked_at=row["api_key_revoked_at"],
        last_used_at=row["api_key_last_used_at"],
        requests_per_s=row["api_key_requests_per_s"],
    )


def to_scopes(values: Iterable[str]) -> frozenset[Scope]:
    """Read scopes, without ones that only a newer version knows."""
    return frozenset(_SCOPES[value] for value in values if value in _SCOPES)


def to_batch(row: Row) -> Batch:
    """Read BATCH_COLUMNS."""
    return Batch(
        id=row["batch_id"],
        tenant=TenantName(row["tenant"]),
        project_id=row["project_id"],
        total=row["total"],
        created_at=row["created_at"],
        cancelled_at=row["cancelled_at"],
        completed_at=row["completed_at"],
        callback_url=row["callback_url"],
        callback_secret=None if row["callback_secret"] is None else SealedSecrets(**row["callback_secret"]),
    )


def to_project(row: Row) -> Project:
    """Read PROJECT_COLUMNS."""
    return Project(
        id=row["project_id"],
        tenant=TenantName(row["project_tenant"]),
        name=ProjectName(row["project_name"]),
        description=row["project_description"],
        status=ProjectStatus(row["project_status"]),
        created_at=row["project_created_at"],
        active_at=row["project_active_at"],
    )


def to_job(row: Row) -> Job:
    """Read JOB_COLUMNS."""
    return Job(
        id=row["job_id"],
        tenant=TenantName(row["job_tenant"]),
        project_id=row["job_project_id"],
        spec=_to_spec(row),
        status=JobStatus(row["job_status"]),
        created_at=row["job_created_at"],
        updated_at=row["job_updated_at"],
        reason=to_reason(row["job_reason"]),
        started_at=row["job_started_at"],
        completed_at=row["job_completed_at"],
        current_execution_id=row["job_current_execution_id"],
        batch_id=row["job_batch_id"],
    )


def _to_spec(row: Row) -> JobSpec:
    """Read a specification, without options that only a newer version knows."""
    document = row["job_spec"]
    if document is None:  # written by a version before 0009
        document = {name: row[f"job_{name}"] for name in _COPIED}
    known = {name: document[name] for name in _SPEC if name in document}
    read = {name: parse(document[name]) for name, parse in _PARSERS.items()}
    if document.get("rerun_of") is not None:
        read["rerun_of"] = UUID(document["rerun_of"])
    if "presets" in document:
        read["presets"] = tuple(document["presets"])
    if "retry_on" in document:
        read["retry_on"] = tuple(map(Reason, document["retry_on"]))
    if document.get("secrets") is not None:
        read["secrets"] = SealedSecrets(**document["secrets"])
    if document.get("cases") is not None:
        read["cases"] = _to_cases(document["cases"])
    if document.get("callback_secret") is not None:
        read["callback_secret"] = SealedSecrets(**document["callback_secret"])
    read["files"] = _to_files(document.get("files", ()))
    read["artifacts"] = tuple(document.get("artifacts", ()))
    if document.get("stdin_blob") is not None:
        read["stdin_blob"] = BlobRef(*document["stdin_blob"])
    return JobSpec(**{**known, **read}, stdin=row["job_stdin"])


def _to_cases(values: Mapping[str, Any]) -> JobCases:
    return JobCases(
        manifest=BlobRef(values["sha256"], values["size"]),
        total=values["total"],
        stop_on=StopOn(values["stop_on"]),
        checker=_to_checker(values.get("checker")),
        interactor=_to_judge_program(values.get("interactor")),
        case_set=values.get("case_set"),
    )


def _to_checker(values: Mapping[str, Any] | None) -> Checker:
    if values is None:
        return DEFAULT_CHECKER
    program = _to_judge_program(values["program"])
    return Checker(kind=CheckerKind(values["kind"]), tolerance=values["tolerance"], program=program)


def _to_judge_program(values: Mapping[str, Any] | None) -> JudgeProgram | None:
    if values is None:
        return None
    return JudgeProgram(
        language=_to_language(values["language"]),
        code=BlobRef(values["sha256"], values["size"]),
        entry=values.get("entry"),
        files=tuple(JobFile(path, BlobRef(sha256, size)) for path, sha256, size in values.get("files", ())),
    )


def _to_language(name: str) -> Language:
    """Read a language, including languages that only a newer version of the service knows."""
    return LANGUAGES.get(name) or Language(name, extension="", title=name)


def _to_limits(values: Mapping[str, int]) -> Limits:
    """Read limits, without ones that only a newer version knows; missing ones get their defaults."""
    return Limits(**{name: values.get(name, bounds.default) for name, bounds in STANDARD_BOUNDS.items()})


_PARSERS: Mapping[str, Callable[[Any], object]] = {
    "code_key": ObjectKey,
    "language": _to_language,
    "limits": _to_limits,
    "args": tuple,
}


def to_view(row: Row) -> JobView:
    """Read LISTED_COLUMNS; those of the execution are NULL for a job without one."""
    return JobView(
        job_id=row["job_id"],
        project_id=row["job_project_id"],
        project=row["project_name"],
        code_key=row["job_code_key"],
        language=row["job_language"],
        status=JobStatus(row["job_status"]),
        reason=to_reason(row["job_reason"]),
        created_at=row["job_created_at"],
        updated_at=row["job_updated_at"],
        started_at=row["job_started_at"],
        completed_at=row["job_completed_at"],
        tags=row["job_tags"],
        execution=None if row["execution_id"] is None else to_execution(row),
    )


def to_claimed(row: Row, worker: str, now: datetime, started_at: datetime | None) -> Execution:
    """Read REQUEST_COLUMNS of an execution that a worker is claiming."""
    now = max(now, row["execution_requested_at"])
    return Execution(
        id=row["execution_id"],
        job_id=row["execution_job_id"],
        number=row["execution_number"],
        priority=MAX_PRIORITY - row["execution_precedence"],
        stdin=row["execution_stdin"],
        requested_at=row["execution_requested_at"],
        claimed_at=now,
        claimed_by=worker,
        started_at=None if started_at is None else now,
        deferred_since=row["execution_deferred_since"],
        request_id=row["execution_request_id"],
        trace=TraceContext.of_text(row["execution_trace_context"]),
    )


def to_execution(row: Row) -> Execution:
    """Read EXECUTION_COLUMNS."""
    return Execution(
        id=row["execution_id"],
        job_id=row["execution_job_id"],
        number=row["execution_number"],
        priority=MAX_PRIORITY - row["execution_precedence"],
        stdin=row["execution_stdin"],
        requested_at=row["execution_requested_at"],
        claimed_at=row["execution_claimed_at"],
        claimed_by=row["execution_claimed_by"],
        started_at=row["execution_started_at"],
        ended_at=row["execution_ended_at"],
        result=None if row["execution_status"] is None else _to_result(row),
        building_at=row["execution_building_at"],
        notes=_to_notes(row["execution_notes"]),
        deferred_since=row["execution_deferred_since"],
        request_id=row["execution_request_id"],
        trace=TraceContext.of_text(row["execution_trace_context"]),
        delayed_until=row["execution_lease_expires_at"] if row["execution_state"] == _DELAYED else None,
    )


def _to_result(row: Row) -> ExecutionResult:
    return ExecutionResult(
        status=JobStatus(row["execution_status"]),
        reason=to_reason(row["execution_reason"]),
        stdout=Output(
            row["execution_stdout"], row["execution_stdout_bytes"], row["execution_stdout_truncated"]
        ),
        stderr=Output(
            row["execution_stderr"], row["execution_stderr_bytes"], row["execution_stderr_truncated"]
        ),
        exit_code=row["execution_exit_code"],
        signal=row["execution_signal"],
        resource=_to_resource(row),
        limit=_to_limit(row),
        error=text_of(row["execution_error_text"]) or row["execution_error_message"],
        log_key=to_object_key(row["execution_log_key"]),
        compile_output=_to_compile_output(row),
        cases=_to_summary(row["execution_cases_summary"]),
        artifacts=_to_files(row["execution_artifacts"] or ()),
        notes=_to_notes(row["execution_result_notes"]),
    )


def _to_files(values: Iterable[tuple[str, str, int]]) -> tuple[JobFile, ...]:
    return tuple(JobFile(path, BlobRef(sha256, size)) for path, sha256, size in values)


def _files_values(files: Iterable[JobFile]) -> list[tuple[str, str, int]]:
    return [(file.path, file.blob.sha256, file.blob.size) for file in files]


def _to_summary(values: Mapping[str, Any] | None) -> Summary | None:
    return None if values is None else Summary(**values)


def _to_notes(values: Sequence[str] | None) -> tuple[Note, ...]:
    """Read notes, without ones that only a newer version knows."""
    return tuple(_NOTES[value] for value in values or () if value in _NOTES)


def _to_resource(row: Row) -> ResourceUsage | None:
    figures = {name: row[column] for name, column in _USAGE_COLUMNS.items()}
    return ResourceUsage(**figures) if any(figure is not None for figure in figures.values()) else None


def _to_limit(row: Row) -> LimitHit | None:
    if row["execution_limit_name"] is None:
        return None
    return LimitHit(
        row["execution_limit_name"], row["execution_limit_measured"], row["execution_limit_allowed"]
    )


def _to_compile_output(row: Row) -> Output | None:
    if row["execution_compile_output"] is None:
        return None
    return Output(
        row["execution_compile_output"],
        row["execution_compile_output_bytes"],
        row["execution_compile_output_truncated"],
    )


def to_message(row: Row) -> Message:
    """Read MESSAGE_COLUMNS."""
    return Message(id=row["message_id"], name=row["name"], body=row["body"])


def to_reason(value: str | None) -> Reason | None:
    """Read an optional reason."""
    return None if value is None else Reason(value)


def to_object_key(value: str | None) -> ObjectKey | None:
    """Read an optional object key."""
    return None if value is None else ObjectKey(value)


def tenant_values(tenant: Tenant) -> Values:
    """Return the row of a tenant."""
    return {
        "tenant": tenant.name.value,
        "status": tenant.status.value,
        "quota": tenant.quota.figures(),
        "created_at": tenant.created_at,
    }


def key_values(key: ApiKey) -> Values:
    """Return the row of a key."""
    return {
        "key_id": key.id,
        "tenant": key.tenant.value,
        "name": key.name,
        "digest": key.digest,
        "scopes": sorted(key.scopes),
        "project_id": key.project,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
        "requests_per_s": key.requests_per_s,
    }


def batch_values(batch: Batch) -> Values:
    """Return the row of a batch."""
    return {
        "batch_id": batch.id,
        "tenant": batch.tenant.value,
        "project_id": batch.project_id,
        "total": batch.total,
        "created_at": batch.created_at,
        "cancelled_at": batch.cancelled_at,
        "completed_at": batch.completed_at,
        "callback_url": batch.callback_url,
        "callback_secret": None if batch.callback_secret is None else asdict(batch.callback_secret),
    }


def job_values(job: Job) -> Values:
    """Return the row of a new job."""
    spec = _spec_values(job.spec)
    return {
        "job_id": job.id,
        "tenant": job.tenant.value,
        "project_id": job.project_id,
        "created_at": job.created_at,
        **job_state_values(job),
        "spec": spec,
        "stdin": job.spec.stdin,
        **{name: spec[name] for name in _COPIED},
        "batch_id": job.batch_id,
    }


def _spec_values(spec: JobSpec) -> Values:
    values = {name: getattr(spec, name) for name in _SPEC}
    return {
        **values,
        "env": dict(spec.env),
        "tags": dict(spec.tags),
        "secrets": None if spec.secrets is None else asdict(spec.secrets),
        "cases": None if spec.cases is None else _cases_values(spec.cases),
        "callback_secret": None if spec.callback_secret is None else asdict(spec.callback_secret),
        "rerun_of": None if spec.rerun_of is None else str(spec.rerun_of),
        "files": _files_values(spec.files),
        "stdin_blob": None if spec.stdin_blob is None else (spec.stdin_blob.sha256, spec.stdin_blob.size),
        "code_key": spec.code_key.value,
        "language": spec.language.name,
        "limits": {name: getattr(spec.limits, name) for name in STANDARD_BOUNDS},
    }


def _cases_values(cases: JobCases) -> Values:
    return {
        "sha256": cases.manifest.sha256,
        "size": cases.manifest.size,
        "total": cases.total,
        "stop_on": cases.stop_on.value,
        "checker": {
            "kind": cases.checker.kind.value,
            "tolerance": cases.checker.tolerance,
            "program": _judge_program_values(cases.checker.program),
        },
        "interactor": _judge_program_values(cases.interactor),
        "case_set": cases.case_set,
    }


def _judge_program_values(program: JudgeProgram | None) -> Values | None:
    if program is None:
        return None
    return {
        "language": program.language.name,
        "sha256": program.code.sha256,
        "size": program.code.size,
        "entry": program.entry,
        "files": [[file.path, file.blob.sha256, file.blob.size] for file in program.files],
    }


def job_state_values(job: Job) -> Values:
    """Return the columns of a job's state."""
    return {
        "status": job.status.value,
        "reason": None if job.reason is None else job.reason.value,
        "updated_at": job.updated_at,
        "started_at": job.started_at,
        "completed_at": job.completed_at,
        "current_execution_id": job.current_execution_id,
    }


def tag_values(job: Job) -> list[Values]:
    """Return the rows for searching a new job's tags."""
    shared = {
        "job_id": job.id,
        "tenant": job.tenant.value,
        "project_id": job.project_id,
        "created_at": job.created_at,
    }
    return [{"name": name, "value": value, **shared} for name, value in job.spec.tags.items()]


def execution_values(job: Job, execution: Execution) -> Values:
    """Return the row of a new execution of a job."""
    return {
        "execution_id": execution.id,
        "job_id": execution.job_id,
        "tenant": job.tenant.value,
        "language": job.spec.language.name,
        "number": execution.number,
        "precedence": MAX_PRIORITY - execution.priority,
        "state": STORED_STATES[ExecutionState.WAITING],
        "requested_at": execution.requested_at,
        "request_id": execution.request_id,
        "trace_context": None if execution.trace is None else str(execution.trace),
        "stdin": execution.stdin,
    }


def result_values(result: ExecutionResult) -> Values:
    """Return the columns of a result. A usage without figures is read back as None."""
    usage = result.resource or ResourceUsage()
    limit = result.limit
    return {
        "status": result.status.value,
        "reason": None if result.reason is None else result.reason.value,
        "exit_code": result.exit_code,
        "signal": result.signal,
        **{name: getattr(usage, name) for name in _USAGE},
        "limit_name": None if limit is None else limit.name,
        "limit_measured": None if limit is None else limit.measured,
        "limit_allowed": None if limit is None else limit.allowed,
        "log_key": None if result.log_key is None else result.log_key.value,
        **_output_values("stdout", result.stdout),
        **_output_values("stderr", result.stderr),
        "error_message": result.error_message,
        "error_text": result.error.parts if isinstance(result.error, Text) else None,
        "result_notes": list(result.notes),
        **_output_values("compile_output", result.compile_output),
        "cases_summary": None if result.cases is None else asdict(result.cases),
        "artifacts": _files_values(result.artifacts) or None,
    }


def _output_values(stream: str, output: Output | None) -> Values:
    return {
        stream: output and output.text,
        f"{stream}_bytes": output and output.total_bytes,
        f"{stream}_truncated": output and output.truncated,
    }


def message_row(message: Message) -> tuple[str, str, str]:
    """Return MESSAGE_COLUMNS of a new message as plain values for the driver."""
    return str(message.id), message.name, encode_json(dict(message.body))
