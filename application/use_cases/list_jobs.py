from collections.abc import Sequence
from dataclasses import dataclass

from application.commands import ListJobsQuery
from application.ports.job_queries import JobQueries
from application.ports.unit_of_work import UnitOfWork
from application.views import Cursor, JobFilter, JobView
from domain.errors import InvalidValue
from domain.project import ProjectStatus
from domain.values import ProjectId, parse_project_reference

MAX_LIMIT = 1_000
DEFAULT_LIMIT = 100
# Each job shows up to 128 KiB of output: a page ends where its jobs show so much together.
MAX_PAGE_BYTES = 8 << 20
_READ_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, newest first, and where the next page begins if there is one."""

    jobs: Sequence[JobView]
    next: Cursor | None


class ListJobs:
    """List jobs, newest first, page by page. A project that does not exist has none."""

    def __init__(self, unit_of_work: UnitOfWork, queries: JobQueries) -> None:
        self._unit_of_work = unit_of_work
        self._queries = queries

    def __call__(self, query: ListJobsQuery) -> JobPage:
        """Return a page of jobs: as many as are asked for.

        It has fewer where they show very much, and where the search for them would read too much.

        Raises:
            InvalidValue: The limit is out of range, or the project cannot be a project's name.
        """
        if not 0 <= query.limit <= MAX_LIMIT:
            raise InvalidValue("limit", f"must be from 0 to {MAX_LIMIT}")
        project_id = None
        if query.project is not None:
            project_id = self._project_id(query.project)
            if project_id is None:
                return JobPage((), None)
        if query.limit == 0:
            return JobPage((), None)
        jobs: list[JobView] = []
        cursor = query.cursor
        while True:
            wanted = min(query.limit - len(jobs), _READ_AT_ONCE)
            found = self._queries.page(_filter(query, project_id, cursor, wanted + 1))
            jobs += found.jobs[:wanted]
            if len(found.jobs) <= wanted:
                return JobPage(jobs, found.resume_after)
            cursor = Cursor(jobs[-1].created_at, jobs[-1].job_id)
            if len(jobs) == query.limit or sum(map(_shown_bytes, jobs)) >= MAX_PAGE_BYTES:
                return JobPage(jobs, cursor)

    def _project_id(self, text: str) -> ProjectId | None:
        reference = parse_project_reference(text)
        project = self._unit_of_work.read(lambda transaction: transaction.projects.get(reference))
        return None if project is None or project.status is ProjectStatus.DELETED else project.id


def _filter(
    query: ListJobsQuery, project_id: ProjectId | None, cursor: Cursor | None, limit: int
) -> JobFilter:
    return JobFilter(
        limit=limit,
        project_id=project_id,
        statuses=query.statuses,
        phases=query.phases,
        language=query.language,
        tags=query.tags,
        created_after=query.created_after,
        created_before=query.created_before,
        cursor=cursor,
    )


def _shown_bytes(job: JobView) -> int:
    result = job.execution and job.execution.result
    shown = (result.stdout, result.stderr, result.compile_output) if result else ()
    return sum(len(output.text) for output in shown if output)
