"""Reads of jobs, their lists and their details."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from application.errors import AmbiguousJobId, NotFound
from application.lists import Count, Cursor, JobFilter
from application.ports.clock import Clock
from application.ports.dashboard_queries import COUNTED_UP_TO, DashboardQueries
from application.ports.execution_engine import ExecutionEngine
from application.ports.job_queries import JobQueries
from application.ports.unit_of_work import UnitOfWork
from application.queries.timeline import Awaited, Timeline, Waiting, entries_of
from application.queries.wait_causes import WaitCauses, WaitingExecution
from application.views import JobDetails, JobStatusView, JobView
from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.execution import Execution
from domain.job import Job
from domain.job_lifecycle import JobStatus, Phase, phase_of
from domain.values import JobId, ProjectId, parse_job_reference, parse_project_reference

View = TypeVar("View")

MAX_LIMIT = 1_000
DEFAULT_LIMIT = 100
# Each job shows up to 128 KiB of output; a page ends when the shown output of its jobs reaches this size.
MAX_PAGE_BYTES = 8 << 20
_READ_AT_ONCE = 100
_RERUNS_SHOWN = 100
_TAGS_SUGGESTED = 20
_CANDIDATES_SHOWN = 5
# The throughput of the queue is measured over the jobs that ended in this time, unless they are too few.
_PACE_OF = timedelta(minutes=5)
_PACE_JOBS = 100
_PACE_LEAST = 3


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs in the order of their filter, and where the next page begins, if there is one."""

    jobs: Sequence[JobView]
    next: Cursor | None


_WAIT_OF_PHASE = {
    Phase.WAITING: Waiting(awaited=Awaited.ENGINE),
    Phase.BUILDING: Waiting(awaited=Awaited.BUILD),
}


class JobReader:
    """Reads single jobs and lists of jobs."""

    def __init__(
        self,
        job_queries: JobQueries,
        dashboard_queries: DashboardQueries,
        unit_of_work: UnitOfWork,
        engine: ExecutionEngine,
        clock: Clock,
        wait_causes: WaitCauses,
    ) -> None:
        self._job_queries = job_queries
        self._dashboard_queries = dashboard_queries
        self._unit_of_work = unit_of_work
        self._engine = engine
        self._clock = clock
        self._wait_causes = wait_causes

    def named(self, caller: Caller, given: JobId | str) -> JobId:
        """Return a given id unchanged, or the only one of the caller's job ids that has a given prefix.

        A complete id is not looked up.

        Raises:
            NotFound: No id has the prefix, or the text is too short or cannot be part of an id.
            AmbiguousJobId: Several ids have the prefix, or the search would read too much.
            ScopeMissing: The text is a prefix, and the caller may not read jobs.
        """
        try:
            reference = parse_job_reference(given) if isinstance(given, str) else given
        except InvalidValue:
            raise NotFound("job", given) from None
        if not isinstance(reference, str):
            return reference
        caller.require(Scope.JOBS_READ)
        found = self._job_queries.page(caller, JobFilter(limit=_CANDIDATES_SHOWN, id_prefix=reference))
        ids = [job.job_id for job in found.jobs]
        if len(ids) > 1 or found.resume_after is not None:
            raise AmbiguousJobId(str(given), [str(job_id) for job_id in ids])
        if not ids:
            raise NotFound("job", given)
        return ids[0]

    def get(self, caller: Caller, job_id: JobId) -> JobDetails:
        """Return a job and its executions.

        Raises:
            NotFound: There is no such job.
        """
        return _found(self._job_queries.details(caller, job_id), job_id)

    def with_cases(self, caller: Caller, job_id: JobId) -> JobDetails:
        """Return a job, its executions, and the results of its cases so far.

        Raises:
            NotFound: There is no such job.
        """
        details = self.get(caller, job_id)
        if details.job.spec.cases is None:
            return details
        return replace(
            details, cases=self._unit_of_work.read(lambda transaction: transaction.cases.results(job_id))
        )

    def reruns(self, details: JobDetails) -> Sequence[JobId]:
        """Return the jobs that rerun a job, latest first, up to a maximum."""
        if not details.has_reruns:
            return ()
        job_id = details.job.id
        return self._unit_of_work.read(lambda transaction: transaction.jobs.reruns(job_id, _RERUNS_SHOWN))

    def _origin(self, caller: Caller, details: JobDetails) -> JobId | None:
        origin = details.job.spec.rerun_of
        if origin is None or self._job_queries.status(caller, origin) is None:
            return None
        return origin

    def status(self, caller: Caller, job_id: JobId) -> JobStatusView:
        """Return the status of a job.

        Raises:
            NotFound: There is no such job.
        """
        return _found(self._job_queries.status(caller, job_id), job_id)

    def timeline(self, caller: Caller, job_id: JobId) -> Timeline:
        """Return the steps of a job, and its current wait.

        Raises:
            NotFound: There is no such job.
        """
        details = self.get(caller, job_id)
        return Timeline(
            details=details,
            entries=entries_of(details),
            engine=self._engine.describe(),
            waiting=self._waiting(details),
            reruns=tuple(self.reruns(details)),
            origin=self._origin(caller, details),
        )

    def page(self, caller: Caller, wanted: JobFilter, project: str | None = None) -> JobPage:
        """Return a page of the jobs that the caller can access, in the order of the filter.

        If a project is given by its name or id, only its jobs are returned; a project that does not exist has
        none. The page may have fewer jobs than the limit if their output is large or if the search would read
        too much.

        Raises:
            InvalidValue: The limit is out of range, or the project is not a valid name or id.
        """
        if not 0 <= wanted.limit <= MAX_LIMIT:
            raise InvalidValue("limit", text("problems.from_0", maximum=MAX_LIMIT))
        if project is not None:
            project_id = self._project_id(caller, project)
            if project_id is None:
                return JobPage((), None)
            wanted = replace(wanted, project_id=project_id)
        if wanted.limit == 0:
            return JobPage((), None)
        jobs: list[JobView] = []
        cursor = wanted.cursor
        while True:
            number = min(wanted.limit - len(jobs), _READ_AT_ONCE)
            found = self._job_queries.page(caller, replace(wanted, limit=number + 1, cursor=cursor))
            jobs += found.jobs[:number]
            if len(found.jobs) <= number:
                return JobPage(jobs, found.resume_after)
            cursor = Cursor(jobs[-1].created_at, jobs[-1].job_id)
            if len(jobs) == wanted.limit or sum(map(_shown_bytes, jobs)) >= MAX_PAGE_BYTES:
                return JobPage(jobs, cursor)

    def count(self, caller: Caller, wanted: JobFilter, project: str | None = None) -> Count:
        """Count the jobs that match a filter, on all pages, up to a bound and as far as the count is quick.

        Raises:
            InvalidValue: The project is not a valid name or id.
        """
        if project is not None:
            project_id = self._project_id(caller, project)
            if project_id is None:
                return Count(0)
            wanted = replace(wanted, project_id=project_id)
        return self._job_queries.count(caller, wanted, COUNTED_UP_TO)

    def suggest_tags(self, caller: Caller, typed: str, project: str | None = None) -> Sequence[str]:
        """Return tags of jobs that begin with a text, as `name:value`: a few of each name.

        Raises:
            InvalidValue: The project is not a valid name or id.
        """
        project_id = None if project is None else self._project_id(caller, project)
        if project is not None and project_id is None:
            return []
        name, colon, value = typed.partition(":")
        if colon:
            values = self._job_queries.tag_values(caller, project_id, name, value, _TAGS_SUGGESTED)
            return [f"{name}:{value}" for value in values]
        names = self._job_queries.tag_names(caller, project_id, name, _TAGS_SUGGESTED)
        of_each = max(_TAGS_SUGGESTED // max(len(names), 1), 1)
        return [
            f"{name}:{value}"
            for name in names
            for value in self._job_queries.tag_values(caller, project_id, name, "", of_each)
        ]

    def _project_id(self, caller: Caller, text: str) -> ProjectId | None:
        reference = parse_project_reference(text)
        project = self._unit_of_work.read(lambda transaction: transaction.projects.get(caller, reference))
        return project.id if project is not None and project.is_live else None

    def _waiting(self, details: JobDetails) -> Waiting | None:
        if details.job.status is JobStatus.PENDING:
            return Waiting(awaited=Awaited.EXECUTE)
        if details.job.status.is_terminal or not details.executions:
            return None
        execution = details.executions[-1]
        if execution.delayed_until is not None and execution.deferred_since is None:
            return Waiting(awaited=Awaited.RETRY, until=execution.delayed_until)
        if execution.claimed_at is None:
            return self._in_queue(details.job, execution)
        if execution.is_delegated:
            return Waiting(awaited=Awaited.REPORT)
        return _WAIT_OF_PHASE.get(phase_of(details.job.status, execution.building_at, execution.started_at))

    def _in_queue(self, job: Job, execution: Execution) -> Waiting:
        (wait,) = self._wait_causes.of(
            WaitingExecution(
                tenant=job.tenant,
                queue=job.spec.queue,
                deferred_since=execution.deferred_since,
                delayed_until=execution.delayed_until,
            )
        )
        if execution.deferred_since is not None:
            return Waiting(awaited=Awaited.ENGINE, since=execution.deferred_since, wait=wait)
        ahead = self._dashboard_queries.executions_ahead(job.tenant, execution)
        if ahead > COUNTED_UP_TO:
            return Waiting(awaited=Awaited.WORKER, behind_more_than=COUNTED_UP_TO, wait=wait)
        place = ahead + 1
        about_ms = None if wait.cause.is_fault else self._estimate(place)
        return Waiting(awaited=Awaited.WORKER, place=place, about_ms=about_ms, wait=wait)

    def _estimate(self, place: int) -> float | None:
        """Estimate a wait from the rate at which jobs have ended; None if too few have ended."""
        now = self._clock.now()
        (ended,) = self._dashboard_queries.ended([now - _PACE_OF, now], _PACE_JOBS)
        if len(ended) < _PACE_LEAST:
            return None
        since = min(job.ended_at for job in ended)
        return place * (now - since) / timedelta(milliseconds=1) / len(ended)


def _found(view: View | None, job_id: JobId) -> View:
    if view is None:
        raise NotFound("job", job_id)
    return view


def _shown_bytes(job: JobView) -> int:
    result = job.execution and job.execution.result
    shown = (result.stdout, result.stderr, result.compile_output) if result else ()
    return sum(len(output.text) for output in shown if output)
