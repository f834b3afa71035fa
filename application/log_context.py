"""The request, tenant, job and trace that log lines refer to, and the marking of lines about an outage."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from application.errors import DependencyUnavailable
from domain.execution import Execution
from domain.job import Job
from domain.tenant import TenantName
from domain.trace_context import TraceContext

# The fields of a line beside its time, level, logger and message.
LOG_FIELDS = ("request_id", "tenant", "project_id", "job_id", "execution_id", "trace_id")
NO_REQUEST = "-"
# The request id known to the caller; for an execution, the id of the request that asked for it.
request_id: ContextVar[str] = ContextVar("service_server_request_id", default=NO_REQUEST)
# The current trace context: the caller's, or a span of this process.
trace_context: ContextVar[TraceContext | None] = ContextVar("service_server_trace_context", default=None)
# The tenant of the caller whose request is being answered.
tenant: ContextVar[TenantName | None] = ContextVar("service_server_tenant", default=None)
_job: ContextVar[Mapping[str, str] | None] = ContextVar("service_server_job", default=None)


def current_request_id() -> str | None:
    """Return the id of the request that this work belongs to; None if there is none."""
    current = request_id.get()
    return None if current == NO_REQUEST else current


def current_trace_id() -> str | None:
    """Return the id of the current trace; None if there is none."""
    current = trace_context.get()
    return None if current is None else current.trace_id


@contextmanager
def logging_about(job: Job | None, execution: Execution | None = None) -> Iterator[None]:
    """Add a job, its tenant, execution, request and trace to the lines that are logged in this context.

    The work continues the trace of the execution, if it has one.
    """
    fields: dict[str, str] = {}
    if execution is not None:
        fields |= {"job_id": str(execution.job_id), "execution_id": str(execution.id)}
    if job is not None:
        fields |= {"job_id": str(job.id), "project_id": str(job.project_id), "tenant": str(job.tenant)}
    job_token = _job.set(fields)
    asked_for_by = None if execution is None else execution.request_id
    request_token = request_id.set(asked_for_by or request_id.get())
    trace = None if execution is None else execution.trace
    trace_token = trace_context.set(trace or trace_context.get())
    try:
        yield
    finally:
        trace_context.reset(trace_token)
        request_id.reset(request_token)
        _job.reset(job_token)


@contextmanager
def working_in(trace: TraceContext | None) -> Iterator[None]:
    """Continue a trace in this context, or none."""
    token = trace_context.set(trace)
    try:
        yield
    finally:
        trace_context.reset(token)


def log_fields() -> Mapping[str, str]:
    """Return the fields of a line that is logged now, in the order of `LOG_FIELDS`."""
    fields = {
        "request_id": current_request_id(),
        "tenant": None if (caller := tenant.get()) is None else str(caller),
        "trace_id": current_trace_id(),
        **(_job.get() or {}),
    }
    return {name: value for name in LOG_FIELDS if (value := fields.get(name)) is not None}


def outage(dependency: str, detail: str) -> Mapping[str, Any]:
    """Return the `extra` of a log line about an outage; such lines are counted rather than repeated."""
    return {"outage": (dependency, detail)}


def outage_of(error: DependencyUnavailable) -> Mapping[str, Any]:
    """Return the `extra` of a log line about this error."""
    return outage(error.dependency, error.detail)
