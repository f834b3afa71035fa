"""The import, in batches of jobs with one transaction each, which is retried as often as needed.

Imported rows are found by their ids, so an interrupted import resumes, and a repeated import adds the changes
since. The source is only read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime, tzinfo
from functools import partial
from itertools import count
from typing import Any

import sqlalchemy as sa

from adapters.sql.engine import long_timeouts
from adapters.sql.errors import Failure, diagnose, unavailable
from adapters.sql.legacy.rows import (
    IMPORTED,
    MAX_KEPT_PROJECT_ID,
    ImportedJob,
    LegacyProject,
    RowReader,
    Skipped,
    comparable_id,
    suitable_name,
)
from adapters.sql.legacy.schema import LegacySchema, LegacyTable, Row, set_aside
from adapters.sql.legacy.source import open_source
from adapters.sql.mapping import STORED_STATES, execution_values, job_values, result_values
from adapters.sql.migrate import SqlSchema
from adapters.sql.tables import executions, job_tags, jobs, projects
from adapters.sql.transaction_retrier import run_again
from application.errors import Conflict
from domain.catalogue.text import Text, said_by, text
from domain.errors import InvalidValue
from domain.execution import Execution
from domain.execution_lifecycle import ExecutionState
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.limits import LimitPolicy
from domain.project import ProjectStatus
from domain.tenant import DEFAULT_TENANT
from domain.values import ExecutionId, JobId, ProjectId, ProjectName

_BATCH = 200
_LOCK = "service_server_import"
# Called with a subject and a message for each skipped or changed row, and to report progress.
Tell = Callable[[Text | str, Text], None]
# The tenant and the name of each project, and the id of each name that is in use.
_PresentProjects = tuple[dict[ProjectId, tuple[str, str]], dict[str, ProjectId]]

_HOLDS_LOCK = sa.select(sa.func.is_used_lock(_LOCK) == sa.func.connection_id())

_PRESENT = (
    sa.select(jobs.c.job_id, jobs.c.status, jobs.c.reason, executions.c.claimed_by)
    .select_from(jobs)
    # Without the hint, a short table is scanned in full, and other jobs are locked too.
    .with_hint(jobs, "FORCE INDEX (PRIMARY)", "mysql")
    .outerjoin(executions, executions.c.execution_id == jobs.c.current_execution_id)
    .where(jobs.c.job_id.in_(sa.bindparam("ids", expanding=True)))
    # An unfinished job must not be executed here between this and its replacement.
    .with_for_update()
)
_TAKEN = sa.select(executions.c.execution_id).where(
    executions.c.execution_id.in_(sa.bindparam("ids", expanding=True))
)
_last_activity = sa.func.coalesce(
    sa.select(sa.func.max(jobs.c.created_at))
    .where(jobs.c.project_id == projects.c.project_id)
    .scalar_subquery(),
    projects.c.created_at,
)
_NOTE_ACTIVITY = (
    sa.update(projects).where(projects.c.active_at < _last_activity).values(active_at=_last_activity)
)
_PROJECTS = sa.select(projects.c.project_id, projects.c.tenant, projects.c.name, projects.c.live_name)
_CREATED_AT = sa.select(projects.c.created_at).where(projects.c.project_id == sa.bindparam("id"))


@dataclass(slots=True)
class ImportCounts:
    """The number of rows by outcome."""

    projects: int = 0
    jobs: int = 0
    executions: int = 0
    jobs_present: int = 0
    jobs_updated: int = 0
    skipped: int = 0

    def items(self) -> Iterator[tuple[str, int]]:
        """Yield each count with its name."""
        return ((one.name, getattr(self, one.name)) for one in fields(self))

    def add(self, more: "ImportCounts") -> None:
        """Add the numbers of other rows."""
        for name, number in more.items():
            setattr(self, name, getattr(self, name) + number)


@dataclass(slots=True)
class LegacyImport:
    """Imports the replaced service's database into this one's.

    Attributes:
        source: The replaced service's database, as a URL or as the name of a schema on the same server; None
            for tables set aside in this database.
        zone: The time zone of source times without a zone.
        dry_run: Whether to read everything and write nothing.
    """

    target: sa.Engine
    limits: LimitPolicy
    now: datetime
    source: str | None
    zone: tzinfo
    dry_run: bool
    tell: Tell
    counts: ImportCounts = field(default_factory=ImportCounts)
    _ids: dict[str, ProjectId] = field(default_factory=dict)
    # The projects that a dry run would have added.
    _planned: dict[ProjectId, str] = field(default_factory=dict)
    _has_tables: bool = True

    def set_aside(self) -> list[str]:
        """Rename the replaced service's tables that have the names of this service's tables."""
        return set_aside(self.target)

    def run(self) -> ImportCounts:
        """Import everything.

        Raises:
            Conflict: There is nothing to import, or another import is running.
            DependencyUnavailable: A database is unreachable.
        """
        own, source = long_timeouts(self.target), open_source(self.target, self.source)
        try:
            self._check_target()
            with source.connect() as reading:
                schema = LegacySchema.find(reading)
                if self.dry_run:
                    self._has_tables = SqlSchema(self.target).revision() is not None
                else:
                    SqlSchema(self.target).upgrade()
                with _alone(own) as check_lock:
                    self._run(schema, reading, own, check_lock)
        except sa.exc.DBAPIError as error:
            failure, words = diagnose(error)
            if failure is Failure.BUG:
                raise
            raise unavailable(words) from error
        finally:
            own.dispose()
            source.dispose()
        return self.counts

    def _check_target(self) -> None:
        taken = SqlSchema(self.target).foreign_tables()
        if taken and not self.dry_run:
            raise Conflict(text("import.foreign_tables", names=", ".join(taken)))

    def _run(
        self, schema: LegacySchema, reading: sa.Connection, own: sa.Engine, check_lock: Callable[[], None]
    ) -> None:
        for table in schema.tables:
            if table.unread:
                self.tell(table.name, text("import.unread_columns", columns=", ".join(table.unread)))
            if table.unindexed is not None:
                self.tell(table.name, text("import.no_index", columns=table.unindexed))
        reader = RowReader(zone=self.zone, limits=self.limits)
        for rows in schema.projects.pages(reading, _BATCH):
            with own.begin() as connection:
                present = self._present_projects(connection)
                for row in rows:
                    self._import_project(row, schema.projects, reader, connection, present)
        total, seen = schema.jobs.count(reading), 0
        for rows in schema.jobs.pages(reading, _BATCH):
            found = self._once(self._read_jobs(rows, schema, reading, reader, own))
            check_lock()
            self.counts.add(run_again(partial(self._write, found, own)))
            seen += len(rows)
            self.tell(text("import.about_jobs"), text("import.progress", seen=seen, total=total))
        if not self.dry_run:
            run_again(partial(_note_activity, own))
        self._tell_the_rest(schema, reading, total - seen)

    def _tell_the_rest(self, schema: LegacySchema, reading: sa.Connection, without_id: int) -> None:
        if without_id > 0:
            self.counts.skipped += without_id
            self.tell(schema.jobs.name, text("import.without_id", count=without_id))
        for table in (schema.executions, schema.results):
            orphans = 0 if table is None else table.count_orphans(reading, schema.jobs)
            if table is not None and orphans:
                self.counts.skipped += orphans
                self.tell(table.name, text("import.without_job", count=orphans))

    def _import_project(
        self,
        row: Row,
        table: LegacyTable,
        reader: RowReader,
        connection: sa.Connection,
        present: _PresentProjects,
    ) -> None:
        try:
            project = reader.project(row, table)
        except Skipped as skipped:
            self._skip(text("import.about_project", id=row["id"]), skipped)
            return
        name = suitable_name(project)
        if name.value != project.name:
            renamed = text("import.renamed", old=repr(project.name), new=repr(name.value))
            self.tell(text("import.about_project", id=project.id), renamed)
        project_id = self._place(project, name, connection, present)
        self._ids[str(project.id)] = project_id
        self._ids.setdefault(f"name:{project.name}", project_id)

    def _place(
        self,
        project: LegacyProject,
        name: ProjectName,
        connection: sa.Connection,
        present: _PresentProjects,
    ) -> ProjectId:
        """Return the id of the project in this service, and add the project if it is missing."""
        names, by_name = present
        here, about = ProjectId(project.id), text("import.about_project", id=project.id)
        taken: list[ProjectName] = []
        for free in _names_for(project, name):
            if free.value not in by_name:
                break
            taken.append(free)
        if names.get(here) in {(DEFAULT_TENANT.value, one.value) for one in (*taken, free)}:
            return here
        is_kept = here not in names and here <= MAX_KEPT_PROJECT_ID
        if not is_kept:
            told = (
                text("import.id_taken", name=repr(names[here][1]))
                if here in names
                else text("import.id_too_high", maximum=MAX_KEPT_PROJECT_ID)
            )
            self.tell(about, told)
            found = (one for one in taken if self._may_be(project, by_name[one.value], connection))
            if (imported := next(found, None)) is not None:
                if imported == name:
                    self.tell(about, text("import.same_name", name=repr(name.value)))
                return by_name[imported.value]
        if taken:
            self.tell(about, text("import.name_taken", name=repr(name.value), new=repr(free.value)))
        added = self._add(here if is_kept else None, project, free, connection)
        names[added], by_name[free.value] = (DEFAULT_TENANT.value, free.value), added
        return added

    def _may_be(self, project: LegacyProject, here: ProjectId, connection: sa.Connection) -> bool:
        """Whether the project with an id here may be the one that a former import added for a project."""
        if here in self._ids.values():  # another project of the source
            return False
        created_at = connection.execute(_CREATED_AT, {"id": here}).scalar_one()
        return project.created_at in {None, created_at}

    def _present_projects(self, connection: sa.Connection) -> _PresentProjects:
        """Read the projects of this service, with those that a dry run would have added."""
        rows = connection.execute(_PROJECTS).all() if self._has_tables else []
        names = {row.project_id: (row.tenant, row.name) for row in rows}
        names |= {project_id: (DEFAULT_TENANT.value, name) for project_id, name in self._planned.items()}
        return names, {row.live_name: row.project_id for row in rows if row.live_name} | {
            name: project_id for project_id, name in self._planned.items()
        }

    def _add(
        self,
        project_id: ProjectId | None,
        project: LegacyProject,
        name: ProjectName,
        connection: sa.Connection,
    ) -> ProjectId:
        self.counts.projects += 1
        if self.dry_run:
            planned = project_id if project_id is not None else ProjectId(-len(self._planned) - 1)
            self._planned[planned] = name.value
            return planned
        values = {
            **({} if project_id is None else {"project_id": project_id}),
            "name": name.value,
            "live_name": name.value,
            "description": project.description,
            "status": ProjectStatus.ACTIVE.value,
            "created_at": project.created_at or self.now,
        }
        key = connection.execute(sa.insert(projects).values(values)).inserted_primary_key
        return ProjectId(key[0]) if key is not None else ProjectId(0)

    def _read_jobs(
        self,
        rows: Sequence[Row],
        schema: LegacySchema,
        reading: sa.Connection,
        reader: RowReader,
        own: sa.Engine,
    ) -> Iterator[ImportedJob]:
        attempts = _attempts(schema, reading, [row["id"] for row in rows])
        for row in rows:
            about = text("import.about_job", id=row["id"])
            try:
                project_id = self._project_of(row["project"], own)
                of_job = attempts.get(comparable_id(row["id"]), [])
                yield reader.job(row, schema.jobs, project_id, of_job, partial(self.tell, about))
            except Skipped as skipped:
                self._skip(about, skipped)

    def _project_of(self, value: object, own: sa.Engine) -> ProjectId:
        named = "" if value is None else str(value)
        found = self._ids.get(named) or self._ids.get(f"name:{named}")
        if found is not None:
            return found
        try:
            name = ProjectName(named)
        except InvalidValue:
            raise Skipped(text("import.no_project", name=repr(named))) from None
        with own.begin() as connection:
            _names, by_name = self._present_projects(connection)
            project = LegacyProject(0, named, None, None)
            found = by_name.get(name.value) or self._add(None, project, name, connection)
        self._ids[f"name:{named}"] = found
        return found

    def _once(self, found: Iterable[ImportedJob]) -> list[ImportedJob]:
        """Return jobs without the ones whose id another has."""
        by_id: dict[JobId, ImportedJob] = {}
        for one in found:
            if one.job.id in by_id:
                self._skip(text("import.about_job", id=one.job.id), Skipped(text("import.id_twice")))
            by_id.setdefault(one.job.id, one)
        return list(by_id.values())

    def _write(self, found: Sequence[ImportedJob], own: sa.Engine) -> ImportCounts:
        """Store jobs in one transaction; return their numbers, which count if it is committed."""
        counts = ImportCounts()
        with own.begin() as connection:
            present = self._present(found, connection)
            again = [
                one for one in found if one.job.id in present and _has_moved_on(present[one.job.id], one)
            ]
            new = [*(one for one in found if one.job.id not in present), *again]
            counts.jobs, counts.jobs_updated = len(new), len(again)
            counts.jobs_present = len(found) - len(new)
            counts.executions = sum(len(one.executions) for one in new)
            if self.dry_run or not new:
                return counts
            ids = [one.job.id for one in again]
            for table in (executions, job_tags, jobs) if ids else ():
                connection.execute(sa.delete(table).where(table.c.job_id.in_(ids)))
            taken = self._taken(new, connection)
            new = [one.with_new_ids(taken) for one in new]
            connection.execute(sa.insert(jobs), [job_values(one.job) for one in new])
            if rows := [_execution_row(one.job, execution) for one in new for execution in one.executions]:
                connection.execute(sa.insert(executions), rows)
        return counts

    def _present(self, found: Sequence[ImportedJob], connection: sa.Connection) -> Mapping[JobId, Any]:
        if not found or not self._has_tables:
            return {}
        ids = sorted({one.job.id for one in found})
        return {row.job_id: row for row in connection.execute(_PRESENT, {"ids": ids})}

    def _taken(self, new: Sequence[ImportedJob], connection: sa.Connection) -> set[ExecutionId]:
        ids = sorted({execution.id for one in new for execution in one.executions})
        return set(connection.execute(_TAKEN, {"ids": ids}).scalars()) if ids else set()

    def _skip(self, about: Text, reason: Skipped) -> None:
        self.counts.skipped += 1
        self.tell(about, text("import.skipped", reason=said_by(reason)))


def _note_activity(own: sa.Engine) -> None:
    """Store the times of the projects' last jobs."""
    with own.begin() as connection:
        connection.execute(_NOTE_ACTIVITY)


def _has_moved_on(here: Any, there: ImportedJob) -> bool:  # noqa: ANN401 - a row
    """Whether a job imported unfinished, and not executed here, has progressed in the replaced service."""
    if here.status == JobStatus.PENDING.value:
        return there.job.status is not JobStatus.PENDING
    was_running = here.claimed_by == IMPORTED and here.reason == Reason.WORKER_LOST.value
    return was_running and there.job.reason is not Reason.WORKER_LOST


def _attempts(
    schema: LegacySchema, reading: sa.Connection, ids: Sequence[object]
) -> Mapping[str | None, list[tuple[Row, LegacyTable]]]:
    """Return the attempts of jobs, with the rows of the result table merged into them."""
    found: dict[str | None, list[tuple[Row, LegacyTable]]] = {}
    if schema.executions is not None:
        for row in schema.executions.of_jobs(reading, ids):
            found.setdefault(comparable_id(row["job"]), []).append(({"id": None, **row}, schema.executions))
    if schema.results is None:
        return found
    for row in schema.results.of_jobs(reading, ids):
        row = {"id": None, **row}  # noqa: PLW2901 - intended
        of_job = found.setdefault(comparable_id(row["job"]), [])
        if schema.executions is None or not of_job:
            of_job.append((row, schema.results))
            continue
        same = comparable_id(row["id"])
        number = next(
            (n for n, (one, _table) in enumerate(of_job) if comparable_id(one["id"]) == same),
            len(of_job) - 1,
        )
        attempt, table = of_job[number]
        given = {name: value for name, value in row.items() if attempt.get(name) is None}
        of_job[number] = ({**attempt, **given}, table)
    return found


def _execution_row(job: Job, execution: Execution) -> Mapping[str, Any]:
    ended = {} if execution.result is None else result_values(execution.result)
    return {
        **execution_values(job, execution),
        **ended,
        "state": STORED_STATES[ExecutionState.ENDED],
        "claimed_at": execution.claimed_at,
        "claimed_by": execution.claimed_by,
        "started_at": execution.started_at,
        "ended_at": execution.ended_at,
    }


@contextmanager
def _alone(own: sa.Engine) -> Iterator[Callable[[], None]]:
    """Exclude a second import by a lock, and provide a function that checks that the lock is held.

    The checks also keep the lock's connection from being closed because it is idle. SQLite needs no lock,
    because transactions exclude each other.
    """
    if own.dialect.name == "sqlite":
        yield lambda: None
        return
    holding = long_timeouts(own)
    try:
        with holding.connect() as connection:
            if connection.execute(sa.select(sa.func.get_lock(_LOCK, 0))).scalar() != 1:
                raise Conflict(text("import.another_running"))

            def check() -> None:
                if not connection.execute(_HOLDS_LOCK).scalar():
                    raise unavailable("the lock of the import was lost")

            yield check
    finally:
        holding.dispose()


def _names_for(project: LegacyProject, name: ProjectName) -> Iterator[ProjectName]:
    """Yield names for a project: its own, and then others with its id, in case the first ones are taken."""
    yield name
    yield ProjectName(f"{name.value[:240]} ({project.id})")
    for number in count(2):
        yield ProjectName(f"{name.value[:230]} ({project.id}, {number})")
