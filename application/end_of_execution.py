"""The audit entry of an execution's end, with the usage that it adds."""

from datetime import datetime

from application.log_context import current_request_id
from application.ports.unit_of_work import Transaction
from domain.audit import SERVICE, Act, AuditEntry, AuditEntryId, Usage
from domain.execution import ExecutionResult
from domain.job import Job


def record_end(
    transaction: Transaction, entry_id: AuditEntryId, job: Job, usage: Usage, ended_at: datetime
) -> None:
    """Record the end of one of a job's executions, within the transaction that ends it."""
    transaction.audit.add(
        AuditEntry(
            id=entry_id,
            at=ended_at,
            tenant=job.tenant,
            principal=SERVICE,
            act=Act.JOB_END,
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
