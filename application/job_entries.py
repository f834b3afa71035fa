"""Audit entries of the service's own actions on jobs, with the usage that they add."""

from datetime import datetime

from application.log_context import current_request_id
from application.ports.unit_of_work import Transaction
from domain.audit import SERVICE, Act, AuditEntry, AuditEntryId, Usage
from domain.execution import ExecutionResult
from domain.job import Job


def record_for_job(
    transaction: Transaction, entry_id: AuditEntryId, act: Act, job: Job, usage: Usage, at: datetime
) -> None:
    """Record an action on a job, within the transaction of its effect."""
    transaction.audit.add(
        AuditEntry(
            id=entry_id,
            at=at,
            tenant=job.tenant,
            principal=SERVICE,
            act=act,
            subject=str(job.id),
            request_id=current_request_id(),
            project=job.project_id,
            usage=usage,
        )
    )


def usage_of(result: ExecutionResult, log_bytes: int = 0) -> Usage:
    """Return the usage of an execution; the wall time counts if the engine measured no processor time."""
    resource = result.resource
    if resource is None:
        cpu_ms = None
    else:
        cpu_ms = resource.execution_time_ms if resource.cpu_time_ms is None else resource.cpu_time_ms
    return Usage(executions=1, cpu_ms=cpu_ms or 0, stored_bytes=log_bytes)
