"""The repository of projects, in SQL."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from adapters.sql.errors import is_duplicate
from adapters.sql.mapping import PROJECT_COLUMNS, to_project
from adapters.sql.tables import jobs, projects
from application.errors import ConcurrencyConflict
from application.ports.project_repository import ProjectRepository
from domain.job_lifecycle import JobStatus
from domain.project import Project, ProjectStatus
from domain.values import ProjectId, ProjectName

MAX_ID = 2**63 - 1  # what SQLite and the drivers take as an integer

_BY_ID = sa.select(*PROJECT_COLUMNS).where(projects.c.project_id == sa.bindparam("id"))
_BY_NAME = sa.select(*PROJECT_COLUMNS).where(projects.c.live_name == sa.bindparam("name"))
_ALL = sa.select(*PROJECT_COLUMNS).where(projects.c.live_name.is_not(None)).order_by(projects.c.project_id)
_ADD = sa.insert(projects)
_REPLACE = (
    sa.update(projects)
    .where(projects.c.project_id == sa.bindparam("id"), projects.c.status == sa.bindparam("expected"))
    .values(
        live_name=sa.bindparam("new_live_name"),
        description=sa.bindparam("new_description"),
        status=sa.bindparam("new_status"),
    )
)
_HAS_RUNNING = (
    sa.select(jobs.c.job_id)
    .where(jobs.c.project_id == sa.bindparam("id"), jobs.c.status == JobStatus.RUNNING.value)
    .limit(1)
)


class SqlProjectRepository(ProjectRepository):
    """The projects, by their ids and by the names that are not free."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, reference: ProjectId | ProjectName) -> Project | None:
        """Return the project of that id, or the one that has the name now."""
        if isinstance(reference, ProjectName):
            return self._one(_BY_NAME, {"name": reference.value})
        return self._one(_BY_ID, {"id": reference}) if reference <= MAX_ID else None

    def get_or_add(self, name: ProjectName, description: str | None, now: datetime) -> Project:
        """Return the project that has the name, made now if there was none."""
        project = self.get(name)
        if project is None:
            self._add(name, description, now)
            project = self.get(name)
        if project is None:
            raise ConcurrencyConflict(f"project '{name}' was deleted while it was added")
        return project

    def replace(self, before: Project, after: Project) -> None:
        """Store a project's new state, if its status is still as before."""
        is_live = after.status is not ProjectStatus.DELETED
        found = self._connection.execute(
            _REPLACE,
            {
                "id": before.id,
                "expected": before.status.value,
                "new_live_name": after.name.value if is_live else None,
                "new_description": after.description,
                "new_status": after.status.value,
            },
        ).rowcount
        if found != 1:
            raise ConcurrencyConflict(f"project {before.id} is no longer {before.status}")

    def has_running_jobs(self, project_id: ProjectId) -> bool:
        """Return whether a job of the project is RUNNING."""
        return self._connection.execute(_HAS_RUNNING, {"id": project_id}).first() is not None

    def all(self) -> Sequence[Project]:
        """Return the projects that are not deleted, by their ids."""
        return [to_project(row) for row in self._connection.execute(_ALL).mappings()]

    def _one(self, statement: sa.Select[tuple[object, ...]], parameters: dict[str, object]) -> Project | None:
        row = self._connection.execute(statement, parameters).mappings().first()
        return None if row is None else to_project(row)

    def _add(self, name: ProjectName, description: str | None, now: datetime) -> None:
        try:
            self._connection.execute(
                _ADD,
                {
                    "name": name.value,
                    "live_name": name.value,
                    "description": description,
                    "status": ProjectStatus.ACTIVE.value,
                    "created_at": now,
                },
            )
        except sa.exc.IntegrityError as error:
            # Only the statement is undone, not the transaction; what another caller added is read next.
            if not is_duplicate(error):
                raise
