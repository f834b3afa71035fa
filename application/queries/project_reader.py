"""Reads of projects and the numbers of their jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from application.errors import NotFound
from application.ports.clock import Clock
from application.ports.dashboard_queries import DashboardQueries, ProjectActivity
from application.ports.unit_of_work import UnitOfWork
from domain.caller import Caller
from domain.project import Project
from domain.values import parse_project_reference

RECENT_HOURS = 12


@dataclass(frozen=True, slots=True)
class ProjectSummary:
    """A project and the number of its jobs."""

    project: Project
    activity: ProjectActivity


@dataclass(frozen=True, slots=True)
class SummaryPage:
    """Some projects, the newest first; the page's number, how many pages there are, and projects in all."""

    summaries: Sequence[ProjectSummary]
    number: int
    pages: int
    total: int


class ProjectReader:
    """Reads projects, one or many, and counts their jobs."""

    def __init__(self, unit_of_work: UnitOfWork, dashboard_queries: DashboardQueries, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._dashboard_queries = dashboard_queries
        self._clock = clock

    def get(self, caller: Caller, name_or_id: str) -> Project:
        """Return a project.

        Raises:
            InvalidValue: The text can be neither a name nor an id.
            NotFound: There is no such project.
        """
        reference = parse_project_reference(name_or_id)
        project = self._unit_of_work.read(lambda transaction: transaction.projects.get(caller, reference))
        if project is None or not project.is_live:
            raise NotFound("project", reference)
        return project

    def all(self, caller: Caller) -> Sequence[Project]:
        """Return the projects that are not deleted, by their ids."""
        return self._unit_of_work.read(lambda transaction: transaction.projects.all(caller))

    def summaries(self, caller: Caller, number: int, size: int) -> SummaryPage:
        """Return a page of projects with their jobs by status, and by each of the last hours.

        Args:
            caller: The caller, who sees the projects of its reach.
            number: The page, counted from one; the nearest that there is in place of one that is not.
            size: How many projects a page has.
        """
        newest = list(reversed(self.all(caller)))
        pages = max(ceil(len(newest) / size), 1)
        number = min(max(number, 1), pages)
        times = _hours_until(self._clock.now())
        summaries = [
            ProjectSummary(project, self._dashboard_queries.activity(project.id, times))
            for project in newest[(number - 1) * size : number * size]
        ]
        return SummaryPage(summaries, number, pages, len(newest))


def _hours_until(now: datetime) -> list[datetime]:
    return [now - timedelta(hours=hours) for hours in range(RECENT_HOURS, -1, -1)]
