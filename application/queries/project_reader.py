"""Reads of projects and the numbers of their jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from application.lists import Count, FoundProjects, ProjectCursor, ProjectFilter
from application.ports.clock import Clock
from application.ports.dashboard_queries import COUNTED_UP_TO, DashboardQueries, ProjectActivity
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.project_lookup import existing_project
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
    """Projects in the order of their filter, where the next page begins, and the total number."""

    summaries: Sequence[ProjectSummary]
    next: ProjectCursor | None
    total: Count


class ProjectReader:
    """Reads single projects and lists of projects, and counts their jobs."""

    def __init__(self, unit_of_work: UnitOfWork, dashboard_queries: DashboardQueries, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._dashboard_queries = dashboard_queries
        self._clock = clock

    def get(self, caller: Caller, name_or_id: str) -> Project:
        """Return a project.

        Raises:
            InvalidValue: The reference is neither a valid name nor a valid id.
            NotFound: There is no such project.
        """
        reference = parse_project_reference(name_or_id)
        return self._unit_of_work.read(lambda t: existing_project(t, caller, reference))

    def all(self, caller: Caller) -> Sequence[Project]:
        """Return the projects that are not deleted, sorted by id."""
        return self._unit_of_work.read(lambda transaction: transaction.projects.all(caller))

    def page(self, caller: Caller, wanted: ProjectFilter) -> FoundProjects:
        """Return a page of the projects that the caller can access."""
        return self._unit_of_work.read(lambda transaction: transaction.projects.page(caller, wanted))

    def summaries(self, caller: Caller, wanted: ProjectFilter) -> SummaryPage:
        """Return a page of projects with their jobs by status, and by each of the last hours."""

        def read(transaction: Transaction) -> tuple[FoundProjects, Count]:
            projects = transaction.projects
            return projects.page(caller, wanted), projects.count(caller, COUNTED_UP_TO)

        found, total = self._unit_of_work.read(read)
        times = _hours_until(self._clock.now())
        summaries = [
            ProjectSummary(project, self._dashboard_queries.activity(project.id, times))
            for project in found.projects
        ]
        return SummaryPage(summaries, found.next, total)


def _hours_until(now: datetime) -> list[datetime]:
    return [now - timedelta(hours=hours) for hours in range(RECENT_HOURS, -1, -1)]
