"""The job, the project and the request that log lines are about, and the mark of lines about an outage."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from application.errors import DependencyUnavailable
from domain.execution import Execution
from domain.job import Job

NO_REQUEST = "-"
# The id by which a request is known to its caller; of an execution, that of the request which asked for it.
request_id: ContextVar[str] = ContextVar("service_server_request_id", default=NO_REQUEST)
# The id of the trace that the current work is a part of, by its caller's `traceparent` (W3C Trace Context).
trace_id: ContextVar[str | None] = ContextVar("service_server_trace_id", default=None)
_job: ContextVar[Mapping[str, str] | None] = ContextVar("service_server_job", default=None)


def current_request_id() -> str | None:
    """Return the id of the request that is being answered, or worked for; None if there is none."""
    current = request_id.get()
    return None if current == NO_REQUEST else current


def current_trace_id() -> str | None:
    """Return the id of the current trace; None if there is none."""
    return trace_id.get()


@contextmanager
def logging_about(job: Job | None, execution: Execution | None = None) -> Iterator[None]:
    """Have the lines that are logged in this context carry the ids of a job, its project, and its request."""
    fields = {}
    if execution is not None:
        fields["job_id"] = str(execution.job_id)
    if job is not None:
        fields |= {"job_id": str(job.id), "project_id": str(job.project_id)}
    job_token = _job.set(fields)
    asked_for_by = None if execution is None else execution.request_id
    request_token = request_id.set(asked_for_by or request_id.get())
    try:
        yield
    finally:
        request_id.reset(request_token)
        _job.reset(job_token)


def log_fields() -> Mapping[str, str]:
    """Return the ids of the subjects of a line that is logged now."""
    fields = dict(_job.get() or {})
    current = current_request_id()
    if current is not None:
        fields["request_id"] = current
    return fields


def outage(dependency: str, detail: str) -> Mapping[str, Any]:
    """Return the `extra` of a log line about an outage, whose lines are counted, not repeated."""
    return {"outage": (dependency, detail)}


def outage_of(error: DependencyUnavailable) -> Mapping[str, Any]:
    """Return the `extra` of a log line about this error."""
    return outage(error.dependency, error.detail)
