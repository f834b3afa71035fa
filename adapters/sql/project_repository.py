"""The repository of projects, in SQL."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from adapters.sql.errors import is_duplicate
from adapters.sql.mapping import PROJECT_COLUMNS, to_project
from adapters.sql.tables import jobs, projects
from application.errors import ConcurrencyConflict, NotFound
from application.ports.project_repository import ProjectRepository
from domain.caller import Caller
from domain.job_lifecycle import JobStatus
from domain.project import Project, ProjectStatus
from domain.tenant import DEFAULT_TENANT, TenantName
from domain.values import ProjectId, ProjectName

MAX_ID = 2**63 - 1  # what SQLite and the drivers take as an integer

_is_owned = projects.c.tenant == sa.bindparam("tenant")
_BY_ID = sa.select(*PROJECT_COLUMNS).where(projects.c.project_id == sa.bindparam("id"), _is_owned)
_BY_NAME = sa.select(*PROJECT_COLUMNS).where(projects.c.live_name == sa.bindparam("name"))
_ALL = (
    sa.select(*PROJECT_COLUMNS)
    .where(_is_owned, projects.c.live_name.is_not(None))
    .order_by(projects.c.project_id)
)
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

    def get(self, caller: Caller, reference: ProjectId | ProjectName) -> Project | None:
        """Return the project of that id, or the one that has the name now."""
        tenant = caller.tenant.name
        if isinstance(reference, ProjectName):
            found = self._one(_BY_NAME, {"name": _qualified(tenant, reference)})
        elif reference <= MAX_ID:
            found = self._one(_BY_ID, {"id": reference, "tenant": tenant.value})
        else:
            found = None
        return found if found is not None and caller.reaches(found.id) else None

    def get_or_add(
        self, caller: Caller, name: ProjectName, description: str | None, now: datetime
    ) -> Project:
        """Return the tenant's project that has the name, made now if there was none."""
        project = self.get(caller, name)
        if project is None and caller.project is not None:
            raise NotFound("project", name)
        if project is None:
            self._add(caller.tenant.name, name, description, now)
            project = self.get(caller, name)
        if project is None:
            raise ConcurrencyConflict(f"project '{name}' was deleted while it was added")
        return project

    def replace(self, before: Project, after: Project) -> None:
        """Store a project's new state, if its status is still as before."""
        found = self._connection.execute(
            _REPLACE,
            {
                "id": before.id,
                "expected": before.status.value,
                "new_live_name": _qualified(after.tenant, after.name) if after.is_live else None,
                "new_description": after.description,
                "new_status": after.status.value,
            },
        ).rowcount
        if found != 1:
            raise ConcurrencyConflict(f"project {before.id} is no longer {before.status}")

    def has_running_jobs(self, project_id: ProjectId) -> bool:
        """Return whether a job of the project is RUNNING."""
        return self._connection.execute(_HAS_RUNNING, {"id": project_id}).first() is not None

    def all(self, caller: Caller) -> Sequence[Project]:
        """Return the projects that the caller reaches and that are not deleted, by their ids."""
        rows = self._connection.execute(_ALL, {"tenant": caller.tenant.name.value}).mappings()
        return [to_project(row) for row in rows if caller.reaches(row["project_id"])]

    def _one(self, statement: sa.Select[tuple[object, ...]], parameters: dict[str, object]) -> Project | None:
        row = self._connection.execute(statement, parameters).mappings().first()
        return None if row is None else to_project(row)

    def _add(self, tenant: TenantName, name: ProjectName, description: str | None, now: datetime) -> None:
        try:
            self._connection.execute(
                _ADD,
                {
                    "tenant": tenant.value,
                    "name": name.value,
                    "live_name": _qualified(tenant, name),
                    "description": description,
                    "status": ProjectStatus.ACTIVE.value,
                    "created_at": now,
                },
            )
        except sa.exc.IntegrityError as error:
            # Only the statement is undone, not the transaction; what another caller added is read next.
            if not is_duplicate(error):
                raise


def _qualified(tenant: TenantName, name: ProjectName) -> str:
    """Return a name that no project of another tenant has. The default tenant's are as they always were."""
    return name.value if tenant == DEFAULT_TENANT else f"{tenant}/{name}"
