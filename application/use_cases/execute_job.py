"""Command: execute a job."""

from application.caller_unit_of_work import CallerUnitOfWork
from application.idempotent_requests import job_again
from application.log_context import current_request_id, trace_context
from application.outbox_writer import OutboxWriter
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction
from application.project_lookup import note_activity
from application.quota_guard import QuotaGuard
from application.views import JobView
from domain.audit import Act, Usage
from domain.caller import Caller
from domain.submission_limits import SubmissionLimits
from domain.values import ExecutionId, JobId


class ExecuteJob:
    """Starts a PENDING job.

    * The job becomes RUNNING and an execution waits for a worker; the response does not wait for the engine.
    * An archived project takes no new work, and a suspended tenant cannot start jobs.
    * The tenant's quotas of waiting executions and processor time must have room.
    """

    def __init__(
        self,
        unit_of_work: CallerUnitOfWork,
        outbox_writer: OutboxWriter,
        quota_guard: QuotaGuard,
        clock: Clock,
        ids: IdGenerator,
        submission_limits: SubmissionLimits,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._outbox_writer = outbox_writer
        self._quota_guard = quota_guard
        self._clock = clock
        self._ids = ids
        self._submission_limits = submission_limits

    def __call__(self, caller: Caller, job_id: JobId, stdin: str | None = None) -> JobView:
        """Start the job; if `stdin` is given, the program reads it instead of the job's own.

        Raises:
            InvalidValue: The stdin is too large or cannot be encoded, or the job has cases.
            NotFound: There is no such job.
            JobTransitionRefused: The job is already running or has ended.
            ProjectTransitionRefused: Its project takes no new work.
            TenantTransitionRefused: The tenant is suspended.
            QuotaExceeded: The tenant has used up a quota.
        """
        with self._unit_of_work.recording_refusals(caller, Act.JOB_EXECUTE, str(job_id)):
            caller.tenant.ensure_active()
            if stdin is not None:
                self._submission_limits.check_stdin(stdin)
        execution_id = ExecutionId(self._ids.new())
        now = self._clock.now()

        def work(transaction: Transaction) -> JobView:
            self._quota_guard.check(transaction, caller, Usage(executions=1), now)
            before, project = transaction.jobs.get_with_project_or_raise(caller, job_id)
            project.ensure_takes_work()
            note_activity(transaction, project, now)
            after, execution, events = before.start(
                execution_id, stdin, now, current_request_id(), trace_context.get()
            )
            transaction.jobs.replace(before, after)
            transaction.executions.add(after, execution)
            self._outbox_writer.add(transaction, events, after)
            return JobView.of(after, project.name, execution)

        return self._unit_of_work.run(
            caller,
            Act.JOB_EXECUTE,
            work,
            subject=lambda view: str(view.job_id),
            project=lambda view: view.project_id,
            asked_for=str(job_id),
            again=job_again(caller, job_id),
        )
