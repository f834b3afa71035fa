"""SQL queries about jobs."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import sqlalchemy as sa

from adapters.sql.engine import reading
from adapters.sql.job_pages import (
    PageShape,
    Walk,
    by_statuses,
    count_statement,
    last_key_statement,
    matches_statement,
    next_tag_statement,
    page_parameters,
    page_statement,
    walks,
)
from adapters.sql.mapping import (
    EXECUTION_COLUMNS,
    JOB_COLUMNS,
    LISTED_COLUMNS,
    SPECIFIED_JOB_COLUMNS,
    Row,
    is_reached,
    reach,
    to_execution,
    to_job,
    to_object_key,
    to_reason,
    to_view,
)
from adapters.sql.packed_columns import PackedColumns
from adapters.sql.pending_deletions import deletion_digest
from adapters.sql.project_repository import MAX_ID
from adapters.sql.tables import executions, job_reruns, job_tags, jobs, pending_deletions, projects, tenants
from adapters.sql.transaction_retrier import TransactionRetrier
from application.errors import NotFound
from application.lists import Count, Cursor, FoundJobs, JobFilter
from application.ports.job_queries import JobQueries
from application.ports.purge_repository import StoreName
from application.views import JobDetails, JobStatusView, JobVersion, LogOwner
from domain.caller import Caller
from domain.job_lifecycle import JobStatus, phase_of
from domain.project import ProjectStatus
from domain.submission import is_tag_name
from domain.tenant import TenantName, TenantStatus
from domain.values import JobId, ObjectKey, ProjectId, ProjectName

T = TypeVar("T")

# The maximum number of keys that a page scans if no index covers its filters. Scanning this many takes about
# ten milliseconds.
SCANNED_KEYS = 5_000
# The first scan reads this many keys per wanted job, because often most keys belong to the list.
_FIRST_SCAN = 4

_STATUS_COLUMNS = PackedColumns(
    projects.c.name.label("project"),
    jobs.c.status.label("status"),
    jobs.c.reason.label("reason"),
    jobs.c.created_at.label("created_at"),
    jobs.c.started_at.label("started_at"),
    jobs.c.completed_at.label("completed_at"),
    sa.func.json_extract(jobs.c.spec, "$.limits").label("limits"),
    jobs.c.limits.label("limits_without_spec"),
    executions.c.log_key.label("log_key"),
    executions.c.building_at.label("building_at"),
    executions.c.started_at.label("run_started_at"),
)
_STATUS = (
    sa.select(*_STATUS_COLUMNS.selected)
    .select_from(jobs)
    .join(projects, projects.c.project_id == jobs.c.project_id)
    .outerjoin(executions, executions.c.execution_id == jobs.c.current_execution_id)
    .where(jobs.c.job_id == sa.bindparam("id"), is_reached)
)
_DETAILS_COLUMNS = PackedColumns(
    projects.c.name.label("project_name"),
    sa.exists().where(job_reruns.c.rerun_of == jobs.c.job_id).label("has_reruns"),
    *SPECIFIED_JOB_COLUMNS,
    *EXECUTION_COLUMNS,
)
_DETAILS = (
    sa.select(*_DETAILS_COLUMNS.selected)
    .select_from(jobs)
    .join(projects, projects.c.project_id == jobs.c.project_id)
    .outerjoin(executions, executions.c.job_id == jobs.c.job_id)
    .where(jobs.c.job_id == sa.bindparam("id"), is_reached)
)
# Reads jobs without a specification, from versions before 0009. Separate, because their extra columns would
# slow down each read of a job.
_UNSPECIFIED = sa.select(*JOB_COLUMNS).where(jobs.c.job_id == sa.bindparam("id"))
_VERSIONS = (
    sa.select(
        jobs.c.job_id,
        jobs.c.status,
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
_OWNERS_OF_LOG = sa.union_all(
    sa.select(
        jobs.c.job_id,
        jobs.c.tenant,
        jobs.c.project_id,
        projects.c.status.label("project_status"),
        tenants.c.status.label("tenant_status"),
    )
    .join_from(executions, jobs, jobs.c.job_id == executions.c.job_id)
    .join(projects, projects.c.project_id == jobs.c.project_id)
    .outerjoin(tenants, tenants.c.tenant == jobs.c.tenant)
    .where(executions.c.log_key == sa.bindparam("key")),
    # A row without an owner for a log that is to be deleted.
    sa.select(sa.null(), sa.null(), sa.null(), sa.null(), sa.null())
    .select_from(pending_deletions)
    .where(pending_deletions.c.digest == sa.bindparam("digest")),
)


class SqlJobQueries(JobQueries):
    """Queries about jobs. Each is one statement, and therefore a consistent snapshot.

    Lists with filters that no index covers take several statements.

    Args:
        engine: The database.
        retrier: The retrier of this database, by default one with a circuit of its own.
        scanned_keys: The maximum number of keys that such a list scans.
    """

    def __init__(
        self,
        engine: sa.Engine,
        retrier: TransactionRetrier | None = None,
        *,
        scanned_keys: int = SCANNED_KEYS,
    ) -> None:
        self._engine = engine
        self._scanned_keys = scanned_keys
        self._retrier = retrier or TransactionRetrier()

    def status(self, caller: Caller, job_id: JobId) -> JobStatusView | None:
        """Return the status of the job with an id, or None if the caller can access none."""
        rows = self._unpacked(_STATUS_COLUMNS, _STATUS, {"id": job_id, **reach(caller)})
        if not rows:
            return None
        row = rows[0]
        status = JobStatus(row["status"])
        return JobStatusView(
            job_id=job_id,
            project=row["project"],
            status=status,
            reason=to_reason(row["reason"]),
            created_at=row["created_at"],
            started_at=row["started_at"],
            completed_at=row["completed_at"],
            timeout_ms=(row["limits"] or row["limits_without_spec"])["timeout_ms"],
            log_key=to_object_key(row["log_key"]),
            phase=phase_of(status, row["building_at"], row["run_started_at"]),
            run_started_at=row["run_started_at"],
        )

    def details(self, caller: Caller, job_id: JobId) -> JobDetails | None:
        """Return the job with an id and its executions, or None if the caller can access none."""
        rows = self._unpacked(_DETAILS_COLUMNS, _DETAILS, {"id": job_id, **reach(caller)})
        is_specified = not rows or rows[0]["job_spec"] is not None
        job_rows: Sequence[Row] = rows if is_specified else self._rows(_UNSPECIFIED, {"id": job_id})
        if not job_rows:
            return None
        found = [to_execution(row) for row in rows if row["execution_id"] is not None]
        job = to_job(job_rows[0])
        # Sorted here, because the database would first write the rows with all their output to a table.
        # The current one is the last, even if two have the same time: earlier versions allowed that.
        found.sort(key=lambda each: (each.id == job.current_execution_id, each.requested_at, each.id))
        return JobDetails(
            job=job,
            project=ProjectName(rows[0]["project_name"]),
            executions=tuple(found),
            has_reruns=bool(rows[0]["has_reruns"]),
        )

    def versions(self, job_ids: Collection[JobId]) -> Mapping[JobId, JobVersion]:
        """Return the versions of some jobs."""
        return {
            row["job_id"]: JobVersion(
                status=JobStatus(row["status"]),
                updated_at=row["updated_at"],
                claimed_at=row["claimed_at"],
                building_at=row["building_at"],
                started_at=row["started_at"],
                ended_at=row["ended_at"],
            )
            for row in self._rows(_VERSIONS, {"ids": sorted(job_ids)})
        }

    def page(self, caller: Caller, wanted: JobFilter) -> FoundJobs:
        """Return a page of jobs, in the order of the filter."""
        narrowed = _narrowed(caller, wanted)
        return FoundJobs([]) if narrowed is None else self._find(caller.tenant.name, narrowed)

    def count(self, caller: Caller, wanted: JobFilter, up_to: int) -> Count:
        """Count the jobs that match a filter, up to a bound."""
        narrowed = _narrowed(caller, replace(wanted, cursor=None, limit=up_to + 1))
        if narrowed is None:
            return Count(0)
        tenant, shape = caller.tenant.name, PageShape.of(narrowed)
        ways = walks(shape)
        walk = ways[0] if ways[0].is_exact else self._shortest(tenant, narrowed, ways)
        parameters = {**page_parameters(tenant, narrowed), "scanned": self._scanned_keys}
        number: int = self._rows(matches_statement(shape, walk), parameters)[0]["number"]
        if number > up_to:
            return Count(up_to, is_exact=False)
        if walk.is_exact:
            return Count(number)
        end = {**parameters, "before_last": self._scanned_keys - 1}
        return Count(number, is_exact=not self._rows(last_key_statement(shape, walk), end))

    def _find(self, tenant: TenantName, wanted: JobFilter) -> FoundJobs:
        ways = walks(PageShape.of(wanted))
        if ways[0].is_exact:
            return self._views(tenant, wanted, ways[0])
        first = min(_FIRST_SCAN * wanted.limit, self._scanned_keys)
        found = self._scan(tenant, wanted, ways[0], first)
        if found.resume_after is None or first == self._scanned_keys:
            return found
        rest = replace(wanted, limit=wanted.limit - len(found.jobs), cursor=found.resume_after)
        more = self._scan(tenant, rest, self._shortest(tenant, rest, ways), self._scanned_keys)
        return FoundJobs([*found.jobs, *more.jobs], more.resume_after)

    def _shortest(self, tenant: TenantName, wanted: JobFilter, ways: Sequence[Walk]) -> Walk:
        parameters = {**page_parameters(tenant, wanted), "scanned": self._scanned_keys}
        counts = self._rows(count_statement(PageShape.of(wanted)), parameters)
        lengths: dict[int, int] = {row["walk"]: row["length"] for row in counts}
        bounded = [n for n, walk in enumerate(ways) if walk.has_bound or lengths[n] < self._scanned_keys]
        return ways[min(bounded, key=lengths.__getitem__)]

    def _scan(self, tenant: TenantName, wanted: JobFilter, walk: Walk, scanned: int) -> FoundJobs:
        """Scan `scanned` keys. If they do not fill the page, it has a cursor to resume after."""
        found = self._views(tenant, wanted, walk, {"scanned": scanned})
        if found.resume_after is not None or len(found.jobs) == wanted.limit:
            return found
        position = {**page_parameters(tenant, wanted), "scanned": scanned, "before_last": scanned - 1}
        last = self._rows(last_key_statement(PageShape.of(wanted), walk), position)
        return FoundJobs(found.jobs, Cursor(last[0]["created_at"], last[0]["job_id"]) if last else None)

    def _views(
        self, tenant: TenantName, wanted: JobFilter, walk: Walk, more: Mapping[str, object] | None = None
    ) -> FoundJobs:
        """Read the jobs of a walk. If a full page loses jobs of purged projects, it has a cursor."""
        parameters = {**page_parameters(tenant, wanted), **(more or {})}
        rows = sorted(
            self._unpacked(LISTED_COLUMNS, page_statement(PageShape.of(wanted), walk), parameters),
            key=lambda row: (row["job_created_at"], row["job_id"]),
            reverse=not wanted.oldest_first,
        )
        views = [to_view(row) for row in rows if row["project_status"] != ProjectStatus.PURGED]
        if len(views) < len(rows) == wanted.limit:
            return FoundJobs(views, Cursor(rows[-1]["job_created_at"], rows[-1]["job_id"]))
        return FoundJobs(views)

    def tag_names(
        self, caller: Caller, project_id: ProjectId | None, prefix: str, limit: int
    ) -> Sequence[str]:
        """Return up to `limit` names of tags with a prefix."""
        if not prefix.isascii():  # no name has one, and servers refuse the comparison
            return []
        return self._distinct(caller, project_id, job_tags.c.name, None, prefix, limit)

    def tag_values(
        self, caller: Caller, project_id: ProjectId | None, name: str, prefix: str, limit: int
    ) -> Sequence[str]:
        """Return up to `limit` values with a prefix of the tags with a name."""
        if not is_tag_name(name):
            return []
        return self._distinct(caller, project_id, job_tags.c.value, name, prefix, limit)

    def _distinct(
        self,
        caller: Caller,
        project_id: ProjectId | None,
        column: sa.Column[str],
        name: str | None,
        prefix: str,
        limit: int,
    ) -> Sequence[str]:
        """Find each distinct value with one seek in an index, regardless of the number of rows with it."""
        if caller.project is not None:
            project_id = caller.project
        parameters = {"tenant": caller.tenant.name.value, "project_id": project_id, "name": name}
        found: list[str] = []
        while len(found) < limit:
            statement = next_tag_statement(column, of_project=project_id is not None, follows=bool(found))
            rows = self._rows(statement, {**parameters, "last": found[-1] if found else prefix})
            if not rows or not rows[0]["next"].startswith(prefix):
                break
            found.append(rows[0]["next"])
        return found

    def owners_of_log(self, log_key: ObjectKey) -> Collection[LogOwner]:
        """Return the jobs whose executions have the log with a key."""
        digest = deletion_digest(StoreName.LOG, log_key.value)
        found = self._rows(_OWNERS_OF_LOG, {"key": log_key.value, "digest": digest})
        rows = [row for row in found if row["job_id"] is not None]
        is_gone = any(
            row["project_status"] == ProjectStatus.PURGED or row["tenant_status"] == TenantStatus.DELETED
            for row in rows
        )
        if is_gone or (found and not rows):
            raise NotFound("log", log_key)
        return {
            LogOwner(tenant=TenantName(row["tenant"]), project_id=row["project_id"], job_id=row["job_id"])
            for row in rows
        }

    def _rows(self, statement: sa.Executable, parameters: Mapping[str, object]) -> Sequence[sa.RowMapping]:
        return self._read(lambda connection: connection.execute(statement, parameters).mappings().all())

    def _unpacked(
        self, columns: PackedColumns, statement: sa.Executable, parameters: Mapping[str, object]
    ) -> Sequence[dict[str, Any]]:
        rows = self._read(lambda connection: connection.execute(statement, parameters).all())
        return [columns.unpack(row) for row in rows]

    def _read(self, read: Callable[[sa.Connection], T]) -> T:
        def run() -> T:
            with reading(self._engine) as connection:
                return read(connection)

        return self._retrier(run)


def _narrowed(caller: Caller, wanted: JobFilter) -> JobFilter | None:
    """Restrict a filter to the jobs that the caller can access; None if none of them can match."""
    if caller.project is not None:
        if wanted.project_id not in {None, caller.project}:
            return None
        wanted = replace(wanted, project_id=caller.project)
    return by_statuses(wanted) if _may_match(wanted) else None


def _may_match(wanted: JobFilter) -> bool:
    """Whether any job can match. Databases differ in comparing values that no job can have."""
    is_id = wanted.project_id is None or wanted.project_id <= MAX_ID
    return is_id and all(map(is_tag_name, wanted.tags))
