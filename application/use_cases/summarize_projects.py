from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from application.ports.clock import Clock
from application.ports.dashboard_queries import DashboardQueries, ProjectActivity
from application.ports.unit_of_work import UnitOfWork
from domain.project import Project

RECENT_HOURS = 12


@dataclass(frozen=True, slots=True)
class ProjectSummary:
    """A project, and what is in it."""

    project: Project
    activity: ProjectActivity


@dataclass(frozen=True, slots=True)
class SummaryPage:
    """Some projects, the newest first; the page's number, how many pages there are, and projects in all."""

    summaries: Sequence[ProjectSummary]
    number: int
    pages: int
    total: int


class SummarizeProjects:
    """Tell what is in each project, page by page: its jobs by status, and by each of the last hours."""

    def __init__(self, unit_of_work: UnitOfWork, dashboard_queries: DashboardQueries, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._dashboard_queries = dashboard_queries
        self._clock = clock

    def __call__(self, number: int, size: int) -> SummaryPage:
        """Return the page of that number, counted from one, or the nearest that there is."""
        projects = self._unit_of_work.read(lambda transaction: transaction.projects.all())
        newest = list(reversed(projects))
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
