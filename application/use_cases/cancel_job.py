"""Command: cancel a job."""

from datetime import datetime

from application.caller_unit_of_work import CallerUnitOfWork
from application.idempotent_requests import job_again
from application.outbox_writer import OutboxWriter
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction
from application.use_cases.wake_workers import WakeWorkers
from application.views import JobView
from domain.audit import Act
from domain.caller import Caller
from domain.job import Job
from domain.values import JobId


class CancelJob:
    """Cancels a job that has not ended.

    * A waiting execution ends with the job.
    * The worker of a claimed execution stops it when it receives the event or next renews the lease.
    """

    def __init__(
        self,
        unit_of_work: CallerUnitOfWork,
        outbox_writer: OutboxWriter,
        wake_workers: WakeWorkers,
        clock: Clock,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._outbox_writer = outbox_writer
        self._wake_workers = wake_workers
        self._clock = clock

    def __call__(self, caller: Caller, job_id: JobId) -> JobView:
        """Cancel the job.

        Raises:
            NotFound: There is no such job.
            JobTransitionRefused: The job has already ended.
        """
        now = self._clock.now()

        def work(transaction: Transaction) -> JobView:
            before, project = transaction.jobs.get_with_project_or_raise(caller, job_id)
            after = cancel(transaction, self._outbox_writer, before, now)
            return JobView.of(after, project.name, transaction.executions.current(after))

        cancelled = self._unit_of_work.run(
            caller,
            Act.JOB_CANCEL,
            work,
            subject=lambda view: str(view.job_id),
            project=lambda view: view.project_id,
            asked_for=str(job_id),
            again=job_again(caller, job_id),
        )
        self._wake_workers.after_end(caller.tenant.name)
        return cancelled


def cancel(transaction: Transaction, outbox_writer: OutboxWriter, job: Job, now: datetime) -> Job:
    """Cancel a job and end its execution; return the cancelled job.

    Raises:
        JobTransitionRefused: The job has already ended.
    """
    execution = transaction.executions.current(job)
    cancelled_at = now if execution is None else execution.not_before(now)
    after, events = job.cancel(cancelled_at)
    transaction.jobs.replace(job, after)
    if execution is not None:
        transaction.executions.end(execution.id, None, after.updated_at)
    outbox_writer.add(transaction, events, after)
    return after
