from collections.abc import Sequence
from datetime import datetime

from application.errors import ConcurrencyConflict
from application.ports.project_repository import ProjectRepository
from domain.job_lifecycle import JobStatus
from domain.project import Project, ProjectStatus
from domain.values import ProjectId, ProjectName
from tests.support.memory.database import Tables


class MemoryProjectRepository(ProjectRepository):
    """The projects in a transaction's tables. They are never removed, so their number gives the next id."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def get(self, reference: ProjectId | ProjectName) -> Project | None:
        """Return the project of that id, or the one that has the name now."""
        if isinstance(reference, ProjectName):
            return next((project for project in self.all() if project.name == reference), None)
        return self._tables.projects.get(reference)

    def get_or_add(self, name: ProjectName, description: str | None, now: datetime) -> Project:
        """Return the project that has the name, made now if there was none."""
        project = self.get(name)
        if project is None:
            project = Project(
                id=ProjectId(len(self._tables.projects) + 1),
                name=name,
                description=description,
                status=ProjectStatus.ACTIVE,
                created_at=now,
            )
            self._tables.projects[project.id] = project
        return project

    def replace(self, before: Project, after: Project) -> None:
        """Store a project's changes, if its status still is as before."""
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

    def all(self) -> Sequence[Project]:
        """Return the projects that are not deleted, by their ids."""
        return [
            project
            for _id, project in sorted(self._tables.projects.items())
            if project.status is not ProjectStatus.DELETED
        ]
