"""SQL repository of projects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import ge, gt, le, lt
from typing import Any

import sqlalchemy as sa

from adapters.sql.errors import inserted
from adapters.sql.mapping import PROJECT_COLUMNS, to_project
from adapters.sql.tables import jobs, projects
from application.errors import ConcurrencyConflict, NotFound
from application.lists import Count, FoundProjects, ProjectCursor, ProjectFilter, ProjectOrder, cursor_after
from application.ports.project_repository import ProjectRepository
from domain.caller import Caller
from domain.job_lifecycle import JobStatus
from domain.project import Project, ProjectStatus
from domain.tenant import DEFAULT_TENANT, TenantName
from domain.values import ProjectId, ProjectName

MAX_ID = 2**63 - 1  # the largest integer that SQLite and the drivers accept

_is_owned = projects.c.tenant == sa.bindparam("tenant")
_BY_ID = sa.select(*PROJECT_COLUMNS).where(projects.c.project_id == sa.bindparam("id"), _is_owned)
_BY_NAME = sa.select(*PROJECT_COLUMNS).where(projects.c.live_name == sa.bindparam("name"))
_ALL = (
    sa.select(*PROJECT_COLUMNS)
    .where(_is_owned, projects.c.live_name.is_not(None))
    .order_by(projects.c.project_id)
)
_ADD = sa.insert(projects)
_NOTE = (
    sa.update(projects)
    .where(projects.c.project_id == sa.bindparam("id"), projects.c.active_at < sa.bindparam("now"))
    .values(active_at=sa.bindparam("now"))
)
_is_live = projects.c.live_name.is_not(None)
# The maximum number of keys that a page scans: per listed project, and in total in a text search.
_SCANNED, _SEARCHED = 4, 5_000


_wanted_text = sa.func.lower(sa.bindparam("search", type_=sa.Text))
_has_text = sa.or_(
    *(
        sa.func.instr(sa.func.lower(sa.func.coalesce(column, "")), _wanted_text) > 0
        for column in (projects.c.name, projects.c.description)
    )
)


@dataclass(frozen=True, slots=True)
class _Order:
    """A sort order of a list: its index, the column that precedes the id in the index, and its direction."""

    index: str
    column: sa.Column[Any]
    follows: Callable[[Any, Any], Any]
    follows_or_is: Callable[[Any, Any], Any]

    @property
    def is_ascending(self) -> bool:
        """Whether the order is ascending."""
        return self.follows is gt


_ORDERS = {
    ProjectOrder.ACTIVITY: _Order("ix_projects_active", projects.c.active_at, lt, le),
    ProjectOrder.CREATED: _Order("ix_projects_tenant", projects.c.project_id, lt, le),
    ProjectOrder.NAME: _Order("ix_projects_name", projects.c.live_name, gt, ge),
}


def _way(order: ProjectOrder, *, goes_on: bool) -> sa.Subquery:
    """Return the subquery that scans `scanned` keys of an index."""
    by = _ORDERS[order]
    keys = sa.select(projects.c.project_id, by.column.label("value")).where(_is_owned)
    keys = keys.with_hint(projects, f"FORCE INDEX ({by.index})", "mysql")
    if order is ProjectOrder.NAME:
        keys = keys.where(_is_live)
    if goes_on:
        value: sa.BindParameter[Any] = sa.bindparam("value", type_=by.column.type)
        last_id: sa.BindParameter[int] = sa.bindparam("last_id")
        keys = keys.where(by.follows_or_is(by.column, value))
        keys = keys.where(sa.or_(by.follows(by.column, value), by.follows(projects.c.project_id, last_id)))
    first = keys.order_by(*_sorted(by, by.column, projects.c.project_id)).limit(sa.bindparam("scanned"))
    return first.subquery("way")


@cache
def projects_statement(order: ProjectOrder, *, searches: bool, goes_on: bool) -> sa.Select[tuple[Any, ...]]:
    """Build the statement for the listed projects among the scanned keys."""
    way = _way(order, goes_on=goes_on)
    found = sa.select(*PROJECT_COLUMNS).join_from(way, projects, projects.c.project_id == way.c.project_id)
    found = found.where(_is_live, _has_text) if searches else found.where(_is_live)
    return found.order_by(*_sorted(_ORDERS[order], way.c.value, way.c.project_id)).limit(
        sa.bindparam("limit")
    )


@cache
def last_project_statement(order: ProjectOrder, *, goes_on: bool) -> sa.Select[tuple[Any, ...]]:
    """Build the statement for the last scanned key; it returns no row if the scan reached the end."""
    way = _way(order, goes_on=goes_on)
    last = sa.select(way.c.value, way.c.project_id)
    last = last.order_by(*_sorted(_ORDERS[order], way.c.value, way.c.project_id))
    return last.limit(1).offset(sa.bindparam("before_last"))


COUNT_PROJECTS = sa.select(sa.func.count().label("number")).select_from(
    sa.select(sa.literal_column("1").label("one"))
    .select_from(projects)
    .with_hint(projects, "FORCE INDEX (ix_projects_name)", "mysql")
    .where(_is_owned, _is_live)
    .limit(sa.bindparam("limit"))
    .subquery("counted")
)


def _sorted(by: _Order, *columns: sa.ColumnElement[Any]) -> list[sa.ColumnElement[Any]]:
    return [column.asc() if by.is_ascending else column.desc() for column in columns]


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
    """Repository of projects, found by id or by the name of a project that is not deleted."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, caller: Caller, reference: ProjectId | ProjectName) -> Project | None:
        """Return the project with an id, or the project that currently has a name."""
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
        """Return the tenant's project with a name, and create it if there is none."""
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
        """Store a project's new state if its status has not changed meanwhile."""
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

    def note_activity(self, project_id: ProjectId, now: datetime) -> None:
        """Record that a project was given work."""
        self._connection.execute(_NOTE, {"id": project_id, "now": now})

    def page(self, caller: Caller, wanted: ProjectFilter) -> FoundProjects:
        """Return one page of the projects that the caller can access, in the order of the filter."""
        if caller.project is not None:
            only = self.get(caller, caller.project)
            is_found = only is not None and only.is_live and only.has_text(wanted.search or "")
            return FoundProjects([only] if only is not None and is_found and wanted.cursor is None else [])
        tenant, cursor = caller.tenant.name, wanted.cursor
        scanned = _SEARCHED if wanted.search else _SCANNED * (wanted.limit + 1)
        parameters = {
            "tenant": tenant.value,
            "search": wanted.search,
            "scanned": scanned,
            "limit": wanted.limit + 1,
            "value": cursor and _stored_value(tenant, cursor),
            "last_id": cursor and cursor.project_id,
        }
        statement = projects_statement(wanted.order, searches=bool(wanted.search), goes_on=cursor is not None)
        found = [to_project(row) for row in self._connection.execute(statement, parameters).mappings()]
        if len(found) > wanted.limit:
            shown = found[: wanted.limit]
            return FoundProjects(shown, cursor_after(shown[-1], wanted.order))
        end = last_project_statement(wanted.order, goes_on=cursor is not None)
        last = self._connection.execute(end, {**parameters, "before_last": scanned - 1}).mappings().first()
        if last is None:
            return FoundProjects(found)
        prefix = _qualified(tenant, None)
        value = last["value"].removeprefix(prefix) if wanted.order is ProjectOrder.NAME else last["value"]
        value = None if wanted.order is ProjectOrder.CREATED else value
        return FoundProjects(found, ProjectCursor(value, last["project_id"]))

    def count(self, caller: Caller, up_to: int) -> Count:
        """Count the projects that the caller can access, up to a bound."""
        if caller.project is not None:
            only = self.get(caller, caller.project)
            return Count(int(only is not None and only.is_live))
        parameters = {"tenant": caller.tenant.name.value, "limit": up_to + 1}
        number: int = self._connection.execute(COUNT_PROJECTS, parameters).scalar_one()
        return Count(min(number, up_to), is_exact=number <= up_to)

    def all(self, caller: Caller) -> Sequence[Project]:
        """Return the projects that the caller can access and that are not deleted, sorted by id."""
        rows = self._connection.execute(_ALL, {"tenant": caller.tenant.name.value}).mappings()
        return [to_project(row) for row in rows if caller.reaches(row["project_id"])]

    def _one(self, statement: sa.Select[tuple[object, ...]], parameters: dict[str, object]) -> Project | None:
        row = self._connection.execute(statement, parameters).mappings().first()
        return None if row is None else to_project(row)

    def _add(self, tenant: TenantName, name: ProjectName, description: str | None, now: datetime) -> None:
        """Store a project, unless its name is taken by now; the caller then reads the existing row."""
        inserted(
            lambda: self._connection.execute(
                _ADD,
                {
                    "tenant": tenant.value,
                    "name": name.value,
                    "live_name": _qualified(tenant, name),
                    "description": description,
                    "status": ProjectStatus.ACTIVE.value,
                    "created_at": now,
                    "active_at": now,
                },
            )
        )


def _stored_value(tenant: TenantName, cursor: ProjectCursor) -> object:
    """Return the value of a cursor as stored in the column of its order."""
    if cursor.value is None:
        return cursor.project_id
    return _qualified(tenant, cursor.value) if isinstance(cursor.value, str) else cursor.value


def _qualified(tenant: TenantName, name: ProjectName | str | None) -> str:
    """Return the stored form of a name, unique across tenants: prefixed unless the tenant is the default."""
    shown = "" if name is None else str(name)
    return shown if tenant == DEFAULT_TENANT else f"{tenant}/{shown}"
