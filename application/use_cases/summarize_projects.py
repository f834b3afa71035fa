from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

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
    """Some projects, the newest first, and how many there are in all."""

    summaries: Sequence[ProjectSummary]
    total: int


class SummarizeProjects:
    """Tell what is in each project, page by page: its jobs by status, and by each of the last hours."""

    def __init__(self, unit_of_work: UnitOfWork, dashboard_queries: DashboardQueries, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._dashboard_queries = dashboard_queries
        self._clock = clock

    def __call__(self, first: int, limit: int) -> SummaryPage:
        """Return the summaries of the projects from the `first` on, counted from zero."""
        projects = self._unit_of_work.read(lambda transaction: transaction.projects.all())
        newest = list(reversed(projects))
        times = _hours_until(self._clock.now())
        return SummaryPage(
            [
                ProjectSummary(project, self._dashboard_queries.activity(project.id, times))
                for project in newest[first : first + limit]
            ],
            len(projects),
        )


def _hours_until(now: datetime) -> list[datetime]:
    return [now - timedelta(hours=hours) for hours in range(RECENT_HOURS, -1, -1)]
