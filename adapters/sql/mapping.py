"""Rows become aggregates and aggregates become rows, here and explicitly.

Rows are read by position, in the order of the columns that stand beside each function.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from adapters.sql.tables import executions, jobs, outbox, projects
from application.messages import Message
from domain.errors import DomainError
from domain.execution import Execution, ExecutionResult, LimitHit, Note, Output, ResourceUsage
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.language import LANGUAGES, Language
from domain.limits import STANDARD_BOUNDS, Limits
from domain.project import Project, ProjectStatus
from domain.submission import MAX_PRIORITY, JobSpec
from domain.values import ObjectKey, ProjectName

Values = dict[str, Any]

# What reading a row raises whose content is not what this version of the service writes.
UNREADABLE = (DomainError, LookupError, TypeError, ValueError, AttributeError)
_LIMITS = tuple(field.name for field in fields(Limits))
_USAGE = tuple(field.name for field in fields(ResourceUsage))
_NOTES = {note.value: note for note in Note}


class ExecutionState(StrEnum):
    """Where an execution stands in the queue."""

    WAITING = "WAITING"
    CLAIMED = "CLAIMED"
    ENDED = "ENDED"


PROJECT_COLUMNS = (
    projects.c.project_id,
    projects.c.name,
    projects.c.description,
    projects.c.status,
    projects.c.created_at,
)

JOB_COLUMNS = (
    jobs.c.job_id,
    jobs.c.project_id,
    jobs.c.status,
    jobs.c.reason,
    jobs.c.created_at,
    jobs.c.updated_at,
    jobs.c.started_at,
    jobs.c.completed_at,
    jobs.c.current_execution_id,
    jobs.c.language,
    jobs.c.code_key,
    jobs.c.priority,
    jobs.c.max_attempts,
    jobs.c.limits,
    jobs.c.tags,
    jobs.c.function_name,
    jobs.c.description,
    jobs.c.args,
    jobs.c.env,
    jobs.c.stdin,
)

# What there is of an execution as long as it waits.
REQUEST_COLUMNS = (
    executions.c.execution_id,
    executions.c.job_id,
    executions.c.number,
    executions.c.precedence,
    executions.c.requested_at,
    executions.c.deferred_since,
    executions.c.request_id,
    executions.c.stdin,
)

EXECUTION_COLUMNS = (
    executions.c.execution_id,
    executions.c.job_id,
    executions.c.number,
    executions.c.precedence,
    executions.c.requested_at,
    executions.c.claimed_at,
    executions.c.claimed_by,
    executions.c.started_at,
    executions.c.ended_at,
    executions.c.building_at,
    executions.c.notes,
    executions.c.deferred_since,
    executions.c.request_id,
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
    executions.c.stdout,
    executions.c.stderr,
    executions.c.result_notes,
    executions.c.compile_output,
    executions.c.compile_output_bytes,
    executions.c.compile_output_truncated,
    executions.c.stdin,
)

MESSAGE_COLUMNS = (outbox.c.message_id, outbox.c.name, outbox.c.body)


def to_project(row: Sequence[Any]) -> Project:
    """Read PROJECT_COLUMNS."""
    project_id, name, description, status, created_at = row
    return Project(
        id=project_id,
        name=ProjectName(name),
        description=description,
        status=ProjectStatus(status),
        created_at=created_at,
    )


def to_job(row: Sequence[Any]) -> Job:
    """Read JOB_COLUMNS."""
    (job_id, project_id, status, reason, created_at, updated_at, started_at, completed_at, current) = row[:9]
    return Job(
        id=job_id,
        project_id=project_id,
        spec=_to_spec(row[9:]),
        status=JobStatus(status),
        created_at=created_at,
        updated_at=updated_at,
        reason=to_reason(reason),
        started_at=started_at,
        completed_at=completed_at,
        current_execution_id=current,
    )


def _to_spec(row: Sequence[Any]) -> JobSpec:
    language, code_key, priority, max_attempts, limits, tags, function_name, description, args, env, stdin = (
        row
    )
    return JobSpec(
        code_key=ObjectKey(code_key),
        language=_to_language(language),
        limits=_to_limits(limits),
        function_name=function_name,
        description=description,
        stdin=stdin,
        args=tuple(args),
        env=env,
        tags=tags,
        priority=priority,
        max_attempts=max_attempts,
    )


def _to_language(name: str) -> Language:
    """Read a language, also one that only a newer version of the service knows."""
    return LANGUAGES.get(name) or Language(name, extension="")


def _to_limits(values: Mapping[str, int]) -> Limits:
    """Read limits: those that only a newer version knows are its own, those that it added have a default."""
    return Limits(**{name: values.get(name, bounds.default) for name, bounds in STANDARD_BOUNDS.items()})


def to_claimed(row: Sequence[Any], worker: str, now: datetime, started_at: datetime | None) -> Execution:
    """Read REQUEST_COLUMNS of an execution that a worker claims now."""
    execution_id, job_id, number, precedence, requested_at, deferred_since, request_id, stdin = row
    now = max(now, requested_at)
    return Execution(
        id=execution_id,
        job_id=job_id,
        number=number,
        priority=MAX_PRIORITY - precedence,
        stdin=stdin,
        requested_at=requested_at,
        claimed_at=now,
        claimed_by=worker,
        started_at=None if started_at is None else now,
        deferred_since=deferred_since,
        request_id=request_id,
    )


def to_execution(row: Sequence[Any]) -> Execution:
    """Read EXECUTION_COLUMNS."""
    (execution_id, job_id, number, precedence, requested_at, claimed_at, claimed_by, started_at, ended_at) = (
        row[:9]
    )
    building_at, notes, deferred_since, request_id, status = row[9:14]
    return Execution(
        id=execution_id,
        job_id=job_id,
        number=number,
        priority=MAX_PRIORITY - precedence,
        stdin=row[-1],
        requested_at=requested_at,
        claimed_at=claimed_at,
        claimed_by=claimed_by,
        started_at=started_at,
        ended_at=ended_at,
        result=None if status is None else _to_result(row[13:-1]),
        building_at=building_at,
        notes=_to_notes(notes),
        deferred_since=deferred_since,
        request_id=request_id,
    )


def _to_result(row: Sequence[Any]) -> ExecutionResult:
    status, reason, exit_code, signal = row[:4]
    limit_name, limit_measured, limit_allowed, log_key = row[8:12]
    stdout_bytes, stdout_truncated, stderr_bytes, stderr_truncated, error_message = row[12:17]
    stdout, stderr, notes, compile_output, compile_output_bytes, compile_output_truncated = row[17:]
    return ExecutionResult(
        status=JobStatus(status),
        reason=to_reason(reason),
        stdout=Output(stdout, stdout_bytes, stdout_truncated),
        stderr=Output(stderr, stderr_bytes, stderr_truncated),
        exit_code=exit_code,
        signal=signal,
        resource=_to_resource(row[4:8]),
        limit=None if limit_name is None else LimitHit(limit_name, limit_measured, limit_allowed),
        error_message=error_message,
        log_key=to_object_key(log_key),
        compile_output=None
        if compile_output is None
        else Output(compile_output, compile_output_bytes, compile_output_truncated),
        notes=_to_notes(notes),
    )


def _to_notes(values: Sequence[str] | None) -> tuple[Note, ...]:
    """Read remarks, less those that only a newer version of the service knows."""
    return tuple(_NOTES[value] for value in values or () if value in _NOTES)


def _to_resource(row: Sequence[Any]) -> ResourceUsage | None:
    execution_time_ms, cpu_time_ms, cpu_percent, memory_mb = row
    if execution_time_ms is cpu_time_ms is cpu_percent is memory_mb is None:
        return None
    return ResourceUsage(
        execution_time_ms=execution_time_ms,
        cpu_time_ms=cpu_time_ms,
        cpu_percent=cpu_percent,
        memory_mb=memory_mb,
    )


def to_message(row: Sequence[Any]) -> Message:
    """Read MESSAGE_COLUMNS."""
    message_id, name, body = row
    return Message(id=message_id, name=name, body=body)


def to_reason(value: str | None) -> Reason | None:
    """Read a reason that may be missing."""
    return None if value is None else Reason(value)


def to_object_key(value: str | None) -> ObjectKey | None:
    """Read a key that may be missing."""
    return None if value is None else ObjectKey(value)


def job_values(job: Job) -> Values:
    """Return the row of a new job."""
    spec = job.spec
    return {
        "job_id": job.id,
        "project_id": job.project_id,
        "created_at": job.created_at,
        **job_state_values(job),
        "language": spec.language.name,
        "code_key": spec.code_key.value,
        "priority": spec.priority,
        "max_attempts": spec.max_attempts,
        "limits": {name: getattr(spec.limits, name) for name in _LIMITS},
        "tags": dict(spec.tags),
        "function_name": spec.function_name,
        "description": spec.description,
        "args": list(spec.args),
        "env": dict(spec.env),
        "stdin": spec.stdin,
    }


def job_state_values(job: Job) -> Values:
    """Return what changes in the row of a job."""
    return {
        "status": job.status.value,
        "reason": None if job.reason is None else job.reason.value,
        "updated_at": job.updated_at,
        "started_at": job.started_at,
        "completed_at": job.completed_at,
        "current_execution_id": job.current_execution_id,
    }


def tag_values(job: Job) -> list[Values]:
    """Return the rows by which a new job's tags are looked for."""
    shared = {"job_id": job.id, "project_id": job.project_id, "created_at": job.created_at}
    return [{"name": name, "value": value, **shared} for name, value in job.spec.tags.items()]


def execution_values(execution: Execution) -> Values:
    """Return the row of a new execution."""
    return {
        "execution_id": execution.id,
        "job_id": execution.job_id,
        "number": execution.number,
        "precedence": MAX_PRIORITY - execution.priority,
        "state": ExecutionState.WAITING.value,
        "requested_at": execution.requested_at,
        "request_id": execution.request_id,
        "stdin": execution.stdin,
    }


def result_values(result: ExecutionResult) -> Values:
    """Return what a result adds to the row of an execution. A usage without any figure is not kept."""
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
        "result_notes": list(result.notes),
        **_output_values("compile_output", result.compile_output),
    }


def _output_values(stream: str, output: Output | None) -> Values:
    return {
        stream: output and output.text,
        f"{stream}_bytes": output and output.total_bytes,
        f"{stream}_truncated": output and output.truncated,
    }


def message_values(message: Message) -> Values:
    """Return the row of a message."""
    return {"message_id": message.id, "name": message.name, "body": dict(message.body)}
