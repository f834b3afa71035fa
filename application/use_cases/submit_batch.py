"""Command: submit a batch of jobs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from application.caller_unit_of_work import CallerUnitOfWork
from application.commands import CallbackCommand, UploadCodeCommand
from application.errors import (
    BatchRefused,
    NotFound,
    RefusedJob,
    Unprocessable,
)
from application.idempotent_requests import batch_again
from application.log_context import current_request_id
from application.outbox_writer import OutboxWriter
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction
from application.project_lookup import project_for_work
from application.quota_guard import QuotaGuard
from application.stored_first import discarded_on_failure
from application.submission_store import SubmissionStore
from application.submissions import Submission, SubmissionPreparer
from application.views import BatchView
from application.webhook_secrets import WebhookSecrets
from application.webhook_writer import WebhookWriter
from domain.audit import NO_USAGE, Act, AuditEntry, AuditEntryId, Usage
from domain.batch import Batch
from domain.caller import Caller
from domain.catalogue.text import text
from domain.errors import InvalidValue, TooLarge
from domain.events import BatchSubmitted, Event
from domain.execution import Execution
from domain.job import Job
from domain.job_lifecycle import JobStatus
from domain.project import Project
from domain.sealed_secrets import SealedSecrets
from domain.submission_limits import SubmissionLimits
from domain.values import BatchId, JobId, ProjectId, ProjectName
from domain.webhook_signing import WebhookSecret

# If there are more faults than this, only the first ones are listed.
MAX_FAULTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """The callback of a batch with its secret sealed, and also unsealed if it was generated here."""

    callback_url: str | None = None
    callback_secret: SealedSecrets | None = None
    made_secret: WebhookSecret | None = None


class SubmitBatch:
    """Stores the code of many jobs and executes them: all of them or none.

    * Each job follows the rules of a single upload (`UploadCode`).
    * The whole batch must fit the quotas of its tenant.
    * The faults of all jobs are listed, up to a maximum.
    * Workers are woken by one message.
    * There is an audit entry for each project of the jobs.
    """

    def __init__(
        self,
        unit_of_work: CallerUnitOfWork,
        preparer: SubmissionPreparer,
        store: SubmissionStore,
        outbox_writer: OutboxWriter,
        webhook_writer: WebhookWriter,
        webhook_secrets: WebhookSecrets,
        submission_limits: SubmissionLimits,
        quota_guard: QuotaGuard,
        clock: Clock,
        ids: IdGenerator,
        max_jobs: int,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._preparer = preparer
        self._store = store
        self._outbox_writer = outbox_writer
        self._webhook_writer = webhook_writer
        self._webhook_secrets = webhook_secrets
        self._submission_limits = submission_limits
        self._quota_guard = quota_guard
        self._clock = clock
        self._ids = ids
        self._max_jobs = max_jobs

    def __call__(
        self,
        caller: Caller,
        commands: Sequence[UploadCodeCommand | RefusedJob],
        callback: CallbackCommand | None = None,
    ) -> BatchView:
        """Store the jobs, and execute those whose commands request it.

        Args:
            caller: The caller.
            commands: The commands; a command that breaks a rule by itself is replaced by its fault.
            callback: The receiver of the end of the batch.

        Raises:
            InvalidValue: There are no jobs, or too many.
            BatchRefused: Some jobs break a rule; nothing was stored.
            ProjectTransitionRefused: A project takes no new work.
            TenantTransitionRefused: The tenant is suspended.
            QuotaExceeded: A quota has no room for all of them; no job was created.
            DependencyUnavailable: The database or a store is unavailable; no job was created.
            CommitOutcomeUnknown: The database failed during the commit; the batch may exist.
        """
        batch_id = BatchId(self._ids.new())
        with self._unit_of_work.recording_refusals(caller, Act.BATCH_SUBMIT, str(batch_id)):
            caller.tenant.ensure_active()
            if not 1 <= len(commands) <= self._max_jobs:
                raise InvalidValue(
                    "jobs", text("problems.batch_size", maximum=self._max_jobs, count=len(commands))
                )
            ending = self._sealed(callback, batch_id)
            submissions = self._prepared(caller, commands)
            now = self._clock.now()
            added = sum((submission.added for submission in submissions), NO_USAGE)
            self._quota_guard.check_early(self._unit_of_work, caller, added, now)
            missing = self._store.announce(caller, submissions, added, now)
        entry_ids = [AuditEntryId(self._ids.new()) for _ in {one.reference for one in submissions}]
        usage: dict[ProjectId, Usage] = {}

        def work(transaction: Transaction) -> BatchView:
            of_cases = {one.job_id: one.refer(transaction, caller.tenant.name) for one in submissions}
            self._quota_guard.check(transaction, caller, sum(of_cases.values(), added), now)
            ensure_in_time()
            usage.clear()
            view = self._add(transaction, caller, batch_id, ending, submissions, of_cases, now, usage)
            # The entry of the first project is the command's own.
            for entry_id, project_id in zip(entry_ids, list(usage)[1:], strict=False):
                entry = _entry(entry_id, caller, view.batch, project_id, usage[project_id])
                transaction.audit.add(entry)
            return view

        ensure_in_time = self._store.in_time()
        with discarded_on_failure(lambda: self._store.discard(caller.tenant.name, submissions, missing)):
            self._store.store(caller.tenant.name, submissions, missing)
            view = self._unit_of_work.run(
                caller,
                Act.BATCH_SUBMIT,
                work,
                subject=lambda view: str(view.batch.id),
                project=lambda _view: next(iter(usage)),
                usage=lambda _view: next(iter(usage.values())),
                asked_for=str(batch_id),
                again=batch_again(caller, batch_id),
            )
        if view.batch.id != batch_id:  # the result of an earlier request with the same idempotency key
            self._store.discard(caller.tenant.name, submissions)
            return view
        return view if ending.made_secret is None else replace(view, callback_secret=ending.made_secret)

    def _sealed(self, callback: CallbackCommand | None, batch_id: BatchId) -> _Ending:
        """Return the callback of a batch, with its secret sealed.

        Raises:
            InvalidValue: The URL is invalid, or leads to an address that is not allowed.
            Unprocessable: There is no key to seal the secret with.
        """
        if callback is None:
            return _Ending()
        self._submission_limits.check_url("callback_url", callback.url)
        made = WebhookSecret.generate() if callback.secret is None else None
        secret = made or WebhookSecret(callback.secret or "")
        sealed = self._webhook_secrets.seal("callback_url", batch_id, secret)
        return _Ending(callback_url=callback.url, callback_secret=sealed, made_secret=made)

    def _prepared(
        self, caller: Caller, commands: Sequence[UploadCodeCommand | RefusedJob]
    ) -> Sequence[Submission]:
        """Check all jobs.

        Raises:
            BatchRefused: Some jobs break a rule.
            TooLarge: The jobs' cases are too large in total: a few bytes can name a file for many cases.
        """
        submissions: list[Submission] = []
        faults: list[RefusedJob] = []
        most, of_cases = self._submission_limits.cases_bytes, 0
        languages = self._preparer.languages()
        for index, command in enumerate(commands):
            if isinstance(command, RefusedJob):
                faults.append(command)
                continue
            try:
                submission = self._preparer.prepare(caller, command, languages)
            except (InvalidValue, Unprocessable) as error:
                detail = error.detail if isinstance(error, InvalidValue) else str(error)
                faults.append(RefusedJob(index, error.field, detail))
            except NotFound as error:
                # A job names a project and a case set.
                faults.append(RefusedJob(index, error.kind.replace(" ", "_"), str(error)))
            else:
                submissions.append(submission)
                of_cases += _bytes_of_cases(submission)
                if of_cases > most:
                    raise TooLarge("jobs", text("problems.batch_cases", maximum=most))
        if faults:
            raise BatchRefused(faults[:MAX_FAULTS], len(faults))
        return submissions

    def _add(
        self,
        transaction: Transaction,
        caller: Caller,
        batch_id: BatchId,
        ending: _Ending,
        submissions: Sequence[Submission],
        of_cases: Mapping[JobId, Usage],
        now: datetime,
        usage: dict[ProjectId, Usage],
    ) -> BatchView:
        """Add the jobs, and the usage of each project to `usage`."""
        projects: dict[ProjectId | ProjectName, Project] = {}
        jobs: list[Job] = []
        events: list[tuple[Event, Job]] = []
        started: list[tuple[Job, Execution]] = []
        for submission in submissions:
            project = projects.get(submission.reference)
            if project is None:
                project = project_for_work(transaction, caller, submission.reference, now)
                projects[submission.reference] = project
            # Events of single jobs are not published, because no client follows a job whose id it does not
            # know yet.
            job, execution, of_job = submission.job(project, now, batch_id)
            jobs.append(job)
            events += [(event, job) for event in of_job]
            if execution is not None:
                started.append((job, execution))
            used = replace(submission.added, executions=0) + of_cases[submission.job_id]
            usage[project.id] = usage.get(project.id, NO_USAGE) + used
        batch = Batch(
            id=batch_id,
            tenant=caller.tenant.name,
            project_id=next(iter(usage)) if len(usage) == 1 else None,
            total=len(jobs),
            created_at=now,
            callback_url=ending.callback_url,
            callback_secret=ending.callback_secret,
        )
        transaction.batches.add(batch)
        transaction.jobs.add_all(jobs)
        if started:
            transaction.executions.add_all(started)
        submitted = BatchSubmitted(
            batch_id=batch_id,
            executions=len(started),
            occurred_at=now,
            languages=Counter(job.spec.language.name for job in jobs),
        )
        self._outbox_writer.add(transaction, (submitted,), None)
        self._webhook_writer.add_job_events(transaction, events, noted=batch_id)
        by_status = {JobStatus.PENDING: len(jobs) - len(started), JobStatus.RUNNING: len(started)}
        return BatchView(batch=batch, by_status=by_status, jobs=[job.id for job in jobs])


def _bytes_of_cases(submission: Submission) -> int:
    """Return the size of the cases that came with a job; those of a case set are already stored."""
    cases = submission.spec.cases
    return cases.manifest.size if cases is not None and cases.manifest in submission.contents else 0


def _entry(
    entry_id: AuditEntryId, caller: Caller, batch: Batch, project: ProjectId, usage: Usage
) -> AuditEntry:
    """Return the audit entry of a project of a batch, other than the first."""
    return AuditEntry(
        id=entry_id,
        at=batch.created_at,
        tenant=batch.tenant,
        principal=caller.principal,
        address=caller.address,
        act=Act.BATCH_SUBMIT,
        subject=str(batch.id),
        request_id=current_request_id(),
        project=project,
        usage=usage,
    )
