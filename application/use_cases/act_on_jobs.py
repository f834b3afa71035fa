"""Command: cancel, rerun, delete or tag many jobs."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial

from application.errors import AmbiguousJobId, ApplicationError, DependencyUnavailable, NotFound
from application.idempotent_requests import Again, IdempotentRequests
from application.lists import Cursor, JobFilter
from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWork
from application.queries.job_reader import JobReader
from application.use_cases.cancel_job import CancelJob
from application.use_cases.delete_job import DeleteJob
from application.use_cases.run_again import Changes, RunAgain
from application.use_cases.tag_job import TagJob
from application.views import JobView
from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.errors import DomainError, InvalidValue
from domain.submission import TagChange
from domain.values import JobId, parse_project_reference


class JobAction(StrEnum):
    """An action on each of many jobs."""

    CANCEL = "cancel"
    RERUN = "rerun"
    DELETE = "delete"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class FilteredJobs:
    """The jobs that match a filter, optionally in one project."""

    wanted: JobFilter
    project: str | None = None


@dataclass(frozen=True, slots=True)
class ActionResult:
    """The result of an action on one job.

    Attributes:
        job_id: The job's id, or the given text if it matches no job or more than one.
        job: The job afterwards, or the new job of a rerun; None if it was deleted or nothing was done.
        error: The refusal, if nothing was done.
    """

    job_id: JobId | str
    job: JobView | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class ActionResults:
    """The results of one call, and the cursor of the next call if more jobs may match the filter."""

    results: Sequence[ActionResult]
    next: Cursor | None = None


class ActOnJobs:
    """Cancels, reruns, deletes or tags the jobs of a list or a filter, up to a maximum per call.

    * Each job has its own transaction and audit entry, and follows the rules of the use case for one job. A
      refused job does not affect the others.
    * A filter matches only jobs created before the call, so it never matches the new jobs of a rerun. It
      requires the scope to read jobs.
    * Under an idempotency key, each job is rerun once.
    * If the database or a store becomes unavailable, the remaining jobs are not tried.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        idempotent_requests: IdempotentRequests,
        job_reader: JobReader,
        cancel_job: CancelJob,
        run_again: RunAgain,
        delete_job: DeleteJob,
        tag_job: TagJob,
        clock: Clock,
        max_jobs: int,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._idempotent_requests = idempotent_requests
        self._job_reader = job_reader
        self._run_again = run_again
        self._clock = clock
        self._max_jobs = max_jobs
        self._tag_job = tag_job
        self._acts: Mapping[JobAction, Callable[[Caller, JobId], JobView | None]] = {
            JobAction.CANCEL: cancel_job,
            JobAction.RERUN: run_again,
            JobAction.DELETE: delete_job,
        }

    def __call__(
        self,
        caller: Caller,
        action: JobAction,
        jobs: Sequence[JobId | str] | FilteredJobs,
        tags: TagChange | None = None,
        changes: Changes | None = None,
    ) -> ActionResults:
        """Act on the jobs, in the order in which they are given or found.

        Args:
            caller: The caller.
            action: The action.
            jobs: Job ids or prefixes of them, or a filter.
            tags: The change of their tags, for TAG only.
            changes: The changes to the new jobs, for RERUN only.

        Raises:
            InvalidValue: The number of ids, the filter's limit or its project is invalid; or tags are
                missing; or tags or changes are given for another action.
            ScopeMissing: The caller gives a filter and may not read jobs.
            DependencyUnavailable: The database is unavailable; nothing was done.
            Repeated: A request with the same idempotency key is in progress or was answered.
        """
        act = self._one(action, tags, changes)
        self._check(caller, jobs)
        # Ids are looked up first, so that a refused request does not use up its idempotency key.
        named = [] if isinstance(jobs, FilteredJobs) else [self._named(caller, given) for given in jobs]
        begun_at = self._begin(caller)
        following = None
        if isinstance(jobs, FilteredJobs):
            before = jobs.wanted.created_before
            until = begun_at if before is None else min(before, begun_at)
            page = self._job_reader.page(caller, replace(jobs.wanted, created_before=until), jobs.project)
            named, following = [ActionResult(job.job_id) for job in page.jobs], page.next
        found = {result.job_id: result for result in named}
        results: list[ActionResult] = []
        for job in found.values():
            result = self._act(caller, action, job, act)
            results.append(result)
            if isinstance(result.error, DependencyUnavailable):
                results += [ActionResult(rest, error=result.error) for rest in list(found)[len(results) :]]
                break
        return ActionResults(results, following)

    def _check(self, caller: Caller, jobs: Sequence[JobId | str] | FilteredJobs) -> None:
        if isinstance(jobs, FilteredJobs):
            caller.require(Scope.JOBS_READ)
            if not 1 <= jobs.wanted.limit <= self._max_jobs:
                raise InvalidValue("filter/limit", text("problems.from_1", maximum=self._max_jobs))
            if jobs.project is not None:
                parse_project_reference(jobs.project)
        elif not 1 <= len(jobs) <= self._max_jobs:
            raise InvalidValue("ids", text("problems.jobs_at_once", maximum=self._max_jobs, count=len(jobs)))

    def _begin(self, caller: Caller) -> datetime:
        """Record the request's idempotency key, if any; return when the request was first received."""
        now = self._clock.now()
        if caller.idempotency is None:
            return now
        again = Again(now.isoformat(), lambda _transaction, made: datetime.fromisoformat(made))
        return self._unit_of_work.run(
            lambda transaction: self._idempotent_requests.once(transaction, caller, lambda _t: now, again)
        )

    def _one(
        self, action: JobAction, tags: TagChange | None, changes: Changes | None
    ) -> Callable[[Caller, JobId], JobView | None]:
        """Return the action on one job."""
        if (action is JobAction.TAG) != (tags is not None):
            raise InvalidValue("tags", text("problems.tag_change_only"))
        if changes is not None and action is not JobAction.RERUN:
            raise InvalidValue("changes", text("problems.changes_of_rerun"))
        if tags is not None:
            return partial(self._tag_job, change=tags)
        return partial(self._run_again, changes=changes) if changes is not None else self._acts[action]

    def _named(self, caller: Caller, given: JobId | str) -> ActionResult:
        try:
            return ActionResult(self._job_reader.named(caller, given))
        except (NotFound, AmbiguousJobId) as error:
            return ActionResult(given, error=error)

    def _act(
        self,
        caller: Caller,
        action: JobAction,
        job: ActionResult,
        act: Callable[[Caller, JobId], JobView | None],
    ) -> ActionResult:
        if isinstance(job.job_id, str):  # the text matches no job, or several
            return job
        try:
            repeats = action is JobAction.RERUN
            one = _for_one(caller, job.job_id) if repeats else replace(caller, idempotency=None)
            return ActionResult(job.job_id, act(one, job.job_id))
        except (DomainError, ApplicationError) as error:
            return ActionResult(job.job_id, error=error)


def _for_one(caller: Caller, job_id: JobId) -> Caller:
    """Return the caller with an idempotency key that is specific to one job."""
    request = caller.idempotency
    if request is None:
        return caller
    key = hashlib.sha256(f"{request.key}:{job_id}".encode()).hexdigest()
    return replace(caller, idempotency=replace(request, key=key))
