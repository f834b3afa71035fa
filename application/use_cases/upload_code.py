"""Command: upload code as a job."""

from dataclasses import dataclass, replace

from application.caller_unit_of_work import CallerUnitOfWork
from application.commands import UploadCodeCommand
from application.idempotent_requests import Again, job_again
from application.outbox_writer import OutboxWriter
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction
from application.project_lookup import project_for_work
from application.quota_guard import QuotaGuard
from application.stored_first import discarded_on_failure
from application.submission_store import SubmissionStore
from application.submissions import SubmissionPreparer
from application.views import JobView
from domain.audit import NO_USAGE, Act, Usage
from domain.caller import Caller


@dataclass(frozen=True, slots=True)
class _Uploaded:
    """A stored job, and the usage that it added."""

    view: JobView
    usage: Usage


class UploadCode:
    """Stores source code as a job.

    * The upload is checked first (`SubmissionPreparer`), then its code, files and cases are stored
      (`SubmissionStore`), and then the job.
    * A project given by a name that does not exist is created; a project given by its id must exist.
    * An archived project takes no new work, and a suspended tenant cannot upload.
    * The tenant's quotas of uploads, stored bytes and, if the job is executed, of waiting executions and
      processor time must have room.
    """

    def __init__(
        self,
        unit_of_work: CallerUnitOfWork,
        preparer: SubmissionPreparer,
        store: SubmissionStore,
        outbox_writer: OutboxWriter,
        quota_guard: QuotaGuard,
        clock: Clock,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._preparer = preparer
        self._store = store
        self._outbox_writer = outbox_writer
        self._quota_guard = quota_guard
        self._clock = clock

    def __call__(self, caller: Caller, command: UploadCodeCommand) -> JobView:
        """Store the code and its job, and execute it if the command requests that.

        Raises:
            InvalidValue: A value breaks its rule; nothing was stored.
            Unprocessable: The language is unavailable or takes no files, or secrets cannot be sealed.
            NotFound: There is no project with the id.
            ProjectTransitionRefused: The project takes no new work.
            TenantTransitionRefused: The tenant is suspended.
            QuotaExceeded: The tenant has used up a quota; no job was created.
            DependencyUnavailable: The database or a store is unavailable; no job was created.
            CommitOutcomeUnknown: The database failed during the commit; the job may exist.
        """
        with self._unit_of_work.recording_refusals(caller, Act.JOB_UPLOAD, command.project):
            caller.tenant.ensure_active()
            submission = self._preparer.prepare(caller, command)
            job_id, added = submission.job_id, submission.added
            now = self._clock.now()
            self._quota_guard.check_early(self._unit_of_work, caller, added, now)
            missing = self._store.announce(caller, [submission], added, now)

        def work(transaction: Transaction) -> _Uploaded:
            usage = added + submission.refer(transaction, caller.tenant.name)
            self._quota_guard.check(transaction, caller, usage, now)
            ensure_in_time()
            project = project_for_work(transaction, caller, submission.reference, now)
            job, execution, events = submission.job(project, now)
            transaction.jobs.add(job)
            if execution is not None:
                transaction.executions.add(job, execution)
            self._outbox_writer.add(transaction, events, job)
            return _Uploaded(JobView.of(job, project.name, execution), replace(usage, executions=0))

        earlier = job_again(caller, job_id)
        ensure_in_time = self._store.in_time()
        with discarded_on_failure(lambda: self._store.discard(caller.tenant.name, [submission], missing)):
            self._store.store(caller.tenant.name, [submission], missing)
            view = self._unit_of_work.run(
                caller,
                Act.JOB_UPLOAD,
                work,
                subject=lambda done: str(done.view.job_id),
                project=lambda done: done.view.project_id,
                usage=lambda done: done.usage,
                asked_for=command.project,
                again=Again(earlier.made, lambda t, made: _Uploaded(earlier.read(t, made), NO_USAGE)),
            ).view
        if view.job_id != job_id:  # the result of an earlier request with the same idempotency key
            self._store.discard(caller.tenant.name, [submission])
            return view
        made_secret = submission.made_secret
        return view if made_secret is None else replace(view, callback_secret=made_secret)
