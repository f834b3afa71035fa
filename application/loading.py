"""Reads that several use cases begin with."""

from application.errors import NotFound
from application.ports.unit_of_work import Transaction
from domain.execution import Execution
from domain.job import Job
from domain.project import Project
from domain.values import ExecutionId, JobId


def job_with_project(transaction: Transaction, job_id: JobId) -> tuple[Job, Project]:
    """Return a job and its project, whatever the project's status.

    Raises:
        NotFound: There is no such job.
    """
    found = transaction.jobs.get_with_project(job_id)
    if found is None:
        raise NotFound("job", job_id)
    return found


def awaiting_job(transaction: Transaction, execution_id: ExecutionId) -> tuple[Job, Execution] | None:
    """Return an execution and its job if the execution is its current one and has no result yet.

    Raises:
        NotFound: There is no such execution.
    """
    execution = transaction.executions.get(execution_id)
    job = None if execution is None else transaction.jobs.get(execution.job_id)
    if execution is None or job is None:
        raise NotFound("execution", execution_id)
    if execution.result is not None or job.current_execution_id != execution_id:
        return None
    return job, execution
