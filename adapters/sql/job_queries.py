from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import sqlalchemy as sa

from adapters.sql.engine import read_only
from adapters.sql.job_pages import (
    VIEW_COLUMNS,
    PageShape,
    Walk,
    by_statuses,
    count_statement,
    last_key_statement,
    page_parameters,
    page_statement,
    walks,
)
from adapters.sql.mapping import (
    EXECUTION_COLUMNS,
    JOB_COLUMNS,
    to_execution,
    to_job,
    to_object_key,
    to_reason,
)
from adapters.sql.packing import Read, are_whole
from adapters.sql.project_repository import MAX_ID
from adapters.sql.retrying import Attempts
from adapters.sql.tables import executions, jobs, projects
from application.ports.job_queries import JobQueries
from application.views import Cursor, FoundJobs, JobDetails, JobFilter, JobStatusView, JobVersion, JobView
from domain.job_lifecycle import JobStatus, phase_of
from domain.submission import is_tag_name
from domain.values import JobId, ProjectName

T = TypeVar("T")

# How many keys a page walks through at most where its filters have no index together. Walking through so many
# takes some ten milliseconds.
SCANNED_KEYS = 5_000
# How many it walks through first, for each job that is wanted: often every key is one of the list.
_FIRST_SCAN = 4

_STATUS = (
    sa.select(
        projects.c.name,
        jobs.c.status,
        jobs.c.reason,
        jobs.c.created_at,
        jobs.c.started_at,
        jobs.c.completed_at,
        jobs.c.limits,
        executions.c.log_key,
        executions.c.building_at,
        executions.c.started_at.label("run_started_at"),
    )
    .select_from(jobs)
    .join(projects, projects.c.project_id == jobs.c.project_id)
    .outerjoin(executions, executions.c.execution_id == jobs.c.current_execution_id)
    .where(jobs.c.job_id == sa.bindparam("id"))
)
_DETAILS = Read(
    (projects.c.name, *JOB_COLUMNS, *EXECUTION_COLUMNS),
    [jobs.c.stdin, executions.c.stdin],
    lambda select: (
        select.select_from(jobs)
        .join(projects, projects.c.project_id == jobs.c.project_id)
        .outerjoin(executions, executions.c.job_id == jobs.c.job_id)
        .where(jobs.c.job_id == sa.bindparam("id"))
    ),
)
_VERSIONS = (
    sa.select(
        jobs.c.job_id,
        jobs.c.updated_at,
        executions.c.claimed_at,
        executions.c.building_at,
        executions.c.started_at,
        executions.c.ended_at,
    )
    .select_from(jobs)
    .outerjoin(executions, executions.c.execution_id == jobs.c.current_execution_id)
    .where(jobs.c.job_id.in_(sa.bindparam("ids", expanding=True)))
)


class SqlJobQueries(JobQueries):
    """The reads of jobs, each in one statement, and so of one moment.

    Lists whose filters have no index together take several statements.

    Args:
        engine: The database.
        scanned_keys: How many keys such a list walks through at most.
    """

    def __init__(self, engine: sa.Engine, *, scanned_keys: int = SCANNED_KEYS) -> None:
        self._engine = read_only(engine)
        self._scanned_keys = scanned_keys
        self._attempts = Attempts()
        self._packs = engine.dialect.name != "sqlite"  # whose driver reads fields in C

    def status(self, job_id: JobId) -> JobStatusView | None:
        """Return where a job stands, or None if there is none of that id."""
        rows = self._rows(_STATUS, {"id": job_id})
        if not rows:
            return None
        project, status, reason, created_at, started_at, completed_at, limits = rows[0][:7]
        log_key, building_at, run_started_at = rows[0][7:]
        return JobStatusView(
            job_id=job_id,
            project=project,
            status=JobStatus(status),
            reason=to_reason(reason),
            created_at=created_at,
            started_at=started_at,
            completed_at=completed_at,
            timeout_ms=limits["timeout_ms"],
            log_key=to_object_key(log_key),
            phase=phase_of(JobStatus(status), building_at, run_started_at),
            run_started_at=run_started_at,
        )

    def details(self, job_id: JobId) -> JobDetails | None:
        """Return all about a job, or None if there is none of that id."""
        rows = self._read(lambda connection: _DETAILS.rows(connection, {"id": job_id}))
        if not rows:
            return None
        end_of_job = 1 + len(JOB_COLUMNS)
        attempts = (row[end_of_job:] for row in rows)
        found = [to_execution(attempt) for attempt in attempts if attempt[0] is not None]
        # Sorted here: the database would write the few rows, with all their output, to a table first.
        found.sort(key=lambda execution: (execution.requested_at, execution.id))
        return JobDetails(
            job=to_job(rows[0][1:end_of_job]),
            project=ProjectName(rows[0][0]),
            executions=tuple(found),
        )

    def versions(self, job_ids: Collection[JobId]) -> Mapping[JobId, JobVersion]:
        """Return what tells the present states of some jobs from others."""
        return {
            job_id: JobVersion(
                updated_at=updated_at,
                claimed_at=claimed_at,
                building_at=building_at,
                started_at=started_at,
                ended_at=ended_at,
            )
            for job_id, updated_at, claimed_at, building_at, started_at, ended_at in self._rows(
                _VERSIONS, {"ids": sorted(job_ids)}
            )
        }

    def page(self, wanted: JobFilter) -> FoundJobs:
        """Return jobs, newest first."""
        narrowed = by_statuses(wanted)
        if narrowed is None or not _may_match(wanted):
            return FoundJobs([])
        return self._find(narrowed)

    def _find(self, wanted: JobFilter) -> FoundJobs:
        ways = walks(PageShape.of(wanted))
        if ways[0].is_exact:
            return FoundJobs(self._views(wanted, ways[0]))
        first = min(_FIRST_SCAN * wanted.limit, self._scanned_keys)
        found = self._scan(wanted, ways[0], first)
        if found.resume_after is None or first == self._scanned_keys:
            return found
        rest = replace(wanted, limit=wanted.limit - len(found.jobs), cursor=found.resume_after)
        more = self._scan(rest, self._shortest(rest, ways), self._scanned_keys)
        return FoundJobs([*found.jobs, *more.jobs], more.resume_after)

    def _shortest(self, wanted: JobFilter, ways: Sequence[Walk]) -> Walk:
        parameters = {**page_parameters(wanted), "scanned": self._scanned_keys}
        counts = self._rows(count_statement(PageShape.of(wanted)), parameters)
        lengths: dict[int, int] = dict(map(tuple, counts))
        bounded = [n for n, walk in enumerate(ways) if walk.has_bound or lengths[n] < self._scanned_keys]
        return ways[min(bounded, key=lengths.__getitem__)]

    def _scan(self, wanted: JobFilter, walk: Walk, scanned: int) -> FoundJobs:
        """Walk through some keys. If that was too few for the page, say where the walk ended."""
        views = self._views(wanted, walk, {"scanned": scanned})
        if len(views) == wanted.limit:
            return FoundJobs(views)
        position = {**page_parameters(wanted), "scanned": scanned, "before_last": scanned - 1}
        last = self._rows(last_key_statement(PageShape.of(wanted), walk), position)
        return FoundJobs(views, Cursor(*last[0]) if last else None)

    def _views(
        self, wanted: JobFilter, walk: Walk, more: Mapping[str, object] | None = None
    ) -> list[JobView]:
        parameters = {**page_parameters(wanted), **(more or {})}
        views = [_to_view(row) for row in self._page(PageShape.of(wanted), walk, parameters)]
        views.sort(key=lambda view: (view.created_at, view.job_id), reverse=True)
        return views

    def _page(
        self, shape: PageShape, walk: Walk, parameters: Mapping[str, object]
    ) -> Sequence[Sequence[Any]]:
        if self._packs:
            rows = self._rows(page_statement(shape, walk, is_packed=True), parameters)
            if are_whole(rows):
                return [values for (values,) in rows]
        return self._rows(page_statement(shape, walk, is_packed=False), parameters)

    def _rows(self, statement: sa.Executable, parameters: Mapping[str, object]) -> Sequence[Any]:
        return self._read(lambda connection: connection.execute(statement, parameters).all())

    def _read(self, read: Callable[[sa.Connection], T]) -> T:
        def run() -> T:
            with self._engine.connect() as connection:
                return read(connection)

        return self._attempts(run)


def _may_match(wanted: JobFilter) -> bool:
    """Whether there can be such jobs. What no job can have, each database would compare in its own way."""
    is_id = wanted.project_id is None or wanted.project_id <= MAX_ID
    return is_id and all(map(is_tag_name, wanted.tags))


def _to_view(row: Sequence[Any]) -> JobView:
    end_of_job = len(VIEW_COLUMNS)
    job_id, project, code_key, language, status, reason, created_at, updated_at, started_at = row[:9]
    completed_at, tags = row[9:end_of_job]
    attempt = row[end_of_job:]
    return JobView(
        job_id=job_id,
        project=project,
        code_key=code_key,
        language=language,
        status=JobStatus(status),
        reason=to_reason(reason),
        created_at=created_at,
        updated_at=updated_at,
        started_at=started_at,
        completed_at=completed_at,
        tags=tags,
        execution=None if attempt[0] is None else to_execution(attempt),
    )
