from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from operator import gt, lt

from application.errors import ConcurrencyConflict, NotFound
from application.lists import Count, FoundProjects, ProjectFilter, ProjectOrder, cursor_after
from application.ports.project_repository import ProjectRepository
from domain.caller import Caller
from domain.job_lifecycle import JobStatus
from domain.project import Project, ProjectStatus
from domain.values import ProjectId, ProjectName
from tests.support.memory.database import Tables


class MemoryProjectRepository(ProjectRepository):
    """The projects in a transaction's tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def get(self, caller: Caller, reference: ProjectId | ProjectName) -> Project | None:
        """Return the project with an id, or the one that currently has the name."""
        if isinstance(reference, ProjectName):
            return next((project for project in self.all(caller) if project.name == reference), None)
        project = self._tables.projects.get(reference)
        return project if project is not None and _is_reached(caller, project) else None

    def get_or_add(
        self, caller: Caller, name: ProjectName, description: str | None, now: datetime
    ) -> Project:
        """Return the tenant's project with a name; create it if there is none."""
        project = self.get(caller, name)
        if project is None and caller.project is not None:
            raise NotFound("project", name)
        if project is None:
            last = self._tables.last_ids
            last["projects"] = last.get("projects", 0) + 1
            project = Project(
                id=ProjectId(last["projects"]),
                tenant=caller.tenant.name,
                name=name,
                description=description,
                status=ProjectStatus.ACTIVE,
                created_at=now,
                active_at=now,
            )
            self._tables.projects[project.id] = project
        return project

    def replace(self, before: Project, after: Project) -> None:
        """Store a project's changes, if its status is unchanged."""
        stored = self._tables.projects.get(before.id)
        if stored is None or stored.status is not before.status:
            raise ConcurrencyConflict(f"project {before.id} is no longer {before.status}")
        self._tables.projects[before.id] = after

    def has_running_jobs(self, project_id: ProjectId) -> bool:
        """Return whether a job of the project is RUNNING."""
        return any(
            job.project_id == project_id and job.status is JobStatus.RUNNING
            for job in self._tables.jobs.values()
        )

    def note_activity(self, project_id: ProjectId, now: datetime) -> None:
        """Record that a project gets new work."""
        project = self._tables.projects[project_id]
        self._tables.projects[project_id] = replace(project, active_at=max(project.active_at, now))

    def page(self, caller: Caller, wanted: ProjectFilter) -> FoundProjects:
        """Return projects that the caller reaches, in the order of the filter."""
        is_by_name = wanted.order is ProjectOrder.NAME

        def place(project: Project) -> tuple[object, ...]:
            cursor = cursor_after(project, wanted.order)
            value = cursor.value.encode() if isinstance(cursor.value, str) else cursor.value
            return value or 0, cursor.project_id

        found = [project for project in self.all(caller) if project.has_text(wanted.search or "")]
        found.sort(key=place, reverse=not is_by_name)
        if wanted.cursor is not None:
            value = wanted.cursor.value
            last = (value.encode() if isinstance(value, str) else value or 0, wanted.cursor.project_id)
            follows = gt if is_by_name else lt
            found = [project for project in found if follows(place(project), last)]
        shown = found[: wanted.limit]
        return FoundProjects(
            shown, cursor_after(shown[-1], wanted.order) if len(found) > wanted.limit else None
        )

    def count(self, caller: Caller, up_to: int) -> Count:
        """Count the projects that the caller reaches, up to a limit."""
        number = len(self.all(caller))
        return Count(min(number, up_to), is_exact=number <= up_to)

    def all(self, caller: Caller) -> Sequence[Project]:
        """Return the projects that the caller reaches and that are not deleted, by id."""
        return [
            project
            for _id, project in sorted(self._tables.projects.items())
            if project.is_live and _is_reached(caller, project)
        ]


def _is_reached(caller: Caller, project: Project) -> bool:
    return project.tenant == caller.tenant.name and caller.reaches(project.id)
