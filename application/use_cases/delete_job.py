"""Command: delete a job."""

from application.caller_unit_of_work import CallerUnitOfWork
from application.errors import Conflict
from application.ports.purge_repository import Removed
from application.ports.unit_of_work import Transaction
from domain.audit import Act, Usage
from domain.caller import Caller
from domain.catalogue.text import text
from domain.job import Job
from domain.values import JobId


class DeleteJob:
    """Deletes a job that has ended, with its executions and, soon after, its code and its logs.

    * A job that has not ended, even one not yet executed, must be cancelled first.
    * The keys of its objects are recorded in the same transaction, and `RemoveDeleted` deletes them.
    * A suspended tenant cannot delete jobs.
    * Its stored bytes are credited to the tenant.
    """

    def __init__(self, unit_of_work: CallerUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def __call__(self, caller: Caller, job_id: JobId) -> None:
        """Delete the job.

        Raises:
            NotFound: There is no such job.
            TenantTransitionRefused: The tenant is suspended.
            Conflict: The job has not ended.
        """

        def work(transaction: Transaction) -> tuple[Job, Removed]:
            caller.tenant.ensure_active()
            job, _project = transaction.jobs.get_with_project_or_raise(caller, job_id)
            if not job.status.is_terminal:
                raise Conflict(text("problems.job_not_ended", status=job.status))
            return job, transaction.purges.remove_job(job)

        self._unit_of_work.run(
            caller,
            Act.JOB_DELETE,
            work,
            subject=lambda done: str(done[0].id),
            project=lambda done: done[0].project_id,
            usage=lambda done: Usage(stored_bytes=-done[1].freed_bytes),
            asked_for=str(job_id),
        )
