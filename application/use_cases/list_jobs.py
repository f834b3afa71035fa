from collections.abc import Sequence
from dataclasses import dataclass, replace

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

    def __call__(self, wanted: JobFilter, project: str | None = None) -> JobPage:
        """Return a page of jobs: of one project, if its name or its id is given.

        It has fewer than the limit where they show very much, and where the search would read too much.

        Raises:
            InvalidValue: The limit is out of range, or the project cannot be a project's name.
        """
        if not 0 <= wanted.limit <= MAX_LIMIT:
            raise InvalidValue("limit", f"must be from 0 to {MAX_LIMIT}")
        if project is not None:
            project_id = self._project_id(project)
            if project_id is None:
                return JobPage((), None)
            wanted = replace(wanted, project_id=project_id)
        if wanted.limit == 0:
            return JobPage((), None)
        jobs: list[JobView] = []
        cursor = wanted.cursor
        while True:
            number = min(wanted.limit - len(jobs), _READ_AT_ONCE)
            found = self._queries.page(replace(wanted, limit=number + 1, cursor=cursor))
            jobs += found.jobs[:number]
            if len(found.jobs) <= number:
                return JobPage(jobs, found.resume_after)
            cursor = Cursor(jobs[-1].created_at, jobs[-1].job_id)
            if len(jobs) == wanted.limit or sum(map(_shown_bytes, jobs)) >= MAX_PAGE_BYTES:
                return JobPage(jobs, cursor)

    def _project_id(self, text: str) -> ProjectId | None:
        reference = parse_project_reference(text)
        project = self._unit_of_work.read(lambda transaction: transaction.projects.get(reference))
        return None if project is None or project.status is ProjectStatus.DELETED else project.id


def _shown_bytes(job: JobView) -> int:
    result = job.execution and job.execution.result
    shown = (result.stdout, result.stderr, result.compile_output) if result else ()
    return sum(len(output.text) for output in shown if output)
