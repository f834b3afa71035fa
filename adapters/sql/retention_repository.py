"""SQL repository of retention policies."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from adapters.sql.errors import inserted
from adapters.sql.pending_deletions import note_deletions
from adapters.sql.purge_repository import SqlPurgeRepository, code_bytes
from adapters.sql.tables import (
    blobs,
    executions,
    job_tags,
    jobs,
    projects,
    retention_marks,
    retention_policies,
    usage_by_day,
    usage_of_tenants,
)
from application.errors import ConcurrencyConflict
from application.ports.purge_repository import Removed, StoreName
from application.ports.retention_repository import (
    LOG_WALKS,
    DueRows,
    EndedExecution,
    Place,
    Policies,
    RetentionRepository,
    WalkedJobs,
)
from domain.job_lifecycle import JobStatus
from domain.object_keys import BlobObject, JobObject, is_own_log, owner_of_code
from domain.retention import Retention
from domain.tenant import TenantName
from domain.values import ExecutionId, JobId, ObjectKey, ProjectId

# The project id in the row of a tenant's own policy.
_OF_TENANT = 0

_POLICIES = sa.select(
    retention_policies.c.tenant, retention_policies.c.project_id, retention_policies.c.policy
)
_POLICIES_OF = _POLICIES.where(
    retention_policies.c.tenant == sa.bindparam("of_tenant", type_=retention_policies.c.tenant.type),
    retention_policies.c.project_id.in_([_OF_TENANT, sa.bindparam("of_project", type_=sa.Integer)]),
)
_is_this = sa.and_(
    retention_policies.c.tenant == sa.bindparam("of_tenant", type_=retention_policies.c.tenant.type),
    retention_policies.c.project_id == sa.bindparam("of_project", type_=sa.Integer),
)
_UNSET = sa.delete(retention_policies).where(_is_this)
_SET = sa.insert(retention_policies)

_PROJECTS = (
    sa.select(projects.c.project_id, projects.c.tenant)
    .where(projects.c.project_id > sa.bindparam("after"))
    .order_by(projects.c.project_id)
    .limit(sa.bindparam("limit"))
)
_before = sa.bindparam("before", type_=jobs.c.created_at.type)
_is_old = sa.and_(jobs.c.status == sa.bindparam("of_status"), jobs.c.created_at < _before)
_WITH_JOBS = sa.select(projects.c.project_id).where(
    projects.c.project_id.in_(sa.bindparam("ids", expanding=True)),
    sa.exists().where(jobs.c.project_id == projects.c.project_id, _is_old),
)
_of_project = jobs.c.project_id == sa.bindparam("of_project")
_WALK = (
    sa.select(jobs.c.job_id, jobs.c.created_at, jobs.c.completed_at, jobs.c.updated_at)
    .where(_of_project, _is_old)
    .order_by(jobs.c.created_at, jobs.c.job_id)
    .limit(sa.bindparam("limit"))
)


def _follows(at: sa.Column[Any], row_id: sa.Column[Any]) -> sa.ColumnElement[bool]:
    """Return the condition that a row follows a place, written as a range of an index."""
    place = sa.bindparam("place_at", type_=at.type)
    return sa.and_(at >= place, sa.or_(at > place, row_id > sa.bindparam("place_id", type_=row_id.type)))


_WALK_ON = _WALK.where(_follows(jobs.c.created_at, jobs.c.job_id))
# Jobs that another process is removing are skipped.
_LOCK_JOBS = (
    sa.select(jobs.c.job_id, jobs.c.code_key, jobs.c.spec)
    .where(
        jobs.c.job_id.in_(sa.bindparam("ids", expanding=True, type_=jobs.c.job_id.type)),
        _is_old,
        sa.or_(
            jobs.c.status == JobStatus.PENDING.value,
            sa.func.coalesce(jobs.c.completed_at, jobs.c.updated_at) < _before,
        ),
    )
    .order_by(jobs.c.job_id)
    .with_for_update(skip_locked=True)
)

_is_named = retention_marks.c.name == sa.bindparam("mark")
_MARK = sa.select(retention_marks.c.at).where(_is_named)
_ADD_MARK = sa.insert(retention_marks)
_SET_MARK = sa.update(retention_marks).where(_is_named).values(at=sa.bindparam("to"))
_TAKE_TURN = _SET_MARK.where(
    sa.or_(
        retention_marks.c.at.is_(None),
        retention_marks.c.at <= sa.bindparam("due"),
        # A host whose clock was ahead has set it.
        retention_marks.c.at > sa.bindparam("latest"),
    )
)
_FORGET_WALKS = sa.delete(retention_marks).where(retention_marks.c.name.startswith(LOG_WALKS))

_ENDED = (
    sa.select(
        executions.c.execution_id,
        executions.c.ended_at,
        executions.c.log_key.is_not(None).label("has_log"),
        jobs.c.tenant,
        jobs.c.project_id,
    )
    .join_from(executions, jobs, jobs.c.job_id == executions.c.job_id)
    .where(executions.c.ended_at < sa.bindparam("before", type_=executions.c.ended_at.type))
    .order_by(executions.c.ended_at, executions.c.execution_id)
    .limit(sa.bindparam("limit"))
)
_ENDED_ON = _ENDED.where(_follows(executions.c.ended_at, executions.c.execution_id))
_are_these_executions = executions.c.execution_id.in_(
    sa.bindparam("ids", expanding=True, type_=executions.c.execution_id.type)
)
# Locked rows are waited for, not skipped: the walk would not return to them.
_LOCK_LOGS = (
    sa.select(executions.c.execution_id, executions.c.log_key, executions.c.log_bytes)
    .where(_are_these_executions, executions.c.log_key.is_not(None), executions.c.ended_at.is_not(None))
    .order_by(executions.c.execution_id)
    .with_for_update()
)
_REMOVE_LOGS = sa.update(executions).where(_are_these_executions).values(log_key=None, log_bytes=None)

_DAYS = (
    sa.select(usage_by_day.c.tenant, usage_by_day.c.day, usage_by_day.c.project_id)
    .where(usage_by_day.c.tenant == sa.bindparam("of_tenant"), usage_by_day.c.day < sa.bindparam("until"))
    .limit(sa.bindparam("limit"))
)
# The period of a day is an ISO date, which sorts by time. The period of all time, `all`, sorts after it.
_PERIODS = (
    sa.select(usage_of_tenants.c.tenant, usage_of_tenants.c.period)
    .where(
        usage_of_tenants.c.tenant == sa.bindparam("of_tenant"),
        usage_of_tenants.c.period < sa.bindparam("until"),
    )
    .limit(sa.bindparam("limit"))
)

_JOBS_THERE = sa.select(jobs.c.job_id).where(
    jobs.c.job_id.in_(sa.bindparam("ids", expanding=True, type_=jobs.c.job_id.type))
)
_BLOBS_THERE = sa.select(blobs.c.sha256).where(
    blobs.c.tenant == sa.bindparam("of_tenant"),
    blobs.c.sha256.in_(sa.bindparam("digests", expanding=True)),
)
_LOGS_THERE = sa.select(executions.c.log_key).where(
    executions.c.log_key.in_(sa.bindparam("keys", expanding=True))
)

_COUNT = sa.select(sa.func.count()).select_from(
    sa.select(sa.literal(1)).where(_of_project, _is_old).limit(sa.bindparam("most")).subquery()
)
_SAMPLE = (
    sa.select(jobs.c.job_id, jobs.c.spec)
    .where(_of_project, _is_old)
    .order_by(jobs.c.created_at, jobs.c.job_id)
    .limit(sa.bindparam("limit"))
)
_SAMPLED_EXECUTIONS = sa.select(
    sa.func.count().label("executions"),
    sa.func.count(executions.c.log_key).label("logs"),
    sa.func.coalesce(sa.func.sum(executions.c.log_bytes), 0).label("log_bytes"),
).where(executions.c.job_id.in_(sa.bindparam("ids", expanding=True, type_=executions.c.job_id.type)))
_SAMPLED_TAGS = sa.select(sa.func.count()).where(
    job_tags.c.job_id.in_(sa.bindparam("ids", expanding=True, type_=job_tags.c.job_id.type))
)


class SqlRetentionRepository(RetentionRepository):
    """Repository of retention policies, and of the rows that are due for removal.

    Args:
        connection: The connection of a transaction.
        purges: The repository that removes jobs, in the same transaction.
    """

    def __init__(self, connection: sa.Connection, purges: SqlPurgeRepository) -> None:
        self._connection = connection
        self._purges = purges

    def policies(
        self, default: Retention, tenant: TenantName | None = None, project: ProjectId | None = None
    ) -> Policies:
        """Return policies, without figures that only a newer version of the service knows."""
        of_tenants, of_projects = {}, {}
        if tenant is None:
            rows = self._connection.execute(_POLICIES)
        else:
            owners = {"of_tenant": tenant.value, "of_project": project or _OF_TENANT}
            rows = self._connection.execute(_POLICIES_OF, owners)
        for row in rows:
            policy = Retention.of(row.policy)
            if row.project_id == _OF_TENANT:
                of_tenants[TenantName(row.tenant)] = policy
            else:
                of_projects[ProjectId(row.project_id)] = policy
        return Policies(default=default, of_tenants=of_tenants, of_projects=of_projects)

    def put(self, tenant: TenantName, project: ProjectId | None, policy: Retention) -> None:
        """Set a policy, and restart all walks."""
        row = {"tenant": tenant.value, "project_id": project or _OF_TENANT, "policy": policy.figures()}
        self._connection.execute(_UNSET, {"of_tenant": tenant.value, "of_project": row["project_id"]})
        if policy.figures():
            self._set(row)
        self._connection.execute(_FORGET_WALKS)

    def projects(self, after: ProjectId, limit: int) -> Sequence[tuple[ProjectId, TenantName]]:
        """Return projects with their tenants, sorted by id."""
        rows = self._connection.execute(_PROJECTS, {"after": after, "limit": limit})
        return [(ProjectId(row.project_id), TenantName(row.tenant)) for row in rows]

    def with_jobs(
        self, projects: Collection[ProjectId], status: JobStatus, before: datetime
    ) -> Sequence[ProjectId]:
        """Return the projects with jobs in a status created before a time."""
        wanted = {"ids": sorted(projects), "of_status": status.value, "before": before}
        return [ProjectId(found) for found in self._connection.execute(_WITH_JOBS, wanted).scalars()]

    def walk_jobs(
        self, project: ProjectId, status: JobStatus, before: datetime, after: Place | None, limit: int
    ) -> WalkedJobs:
        """Read the next jobs in the order of the index on project and status."""
        wanted = {"of_project": project, "of_status": status.value, "before": before, "limit": limit}
        rows = self._walked(_WALK, _WALK_ON, wanted, after)
        due = [
            JobId(row.job_id)
            for row in rows
            if status is JobStatus.PENDING or (row.completed_at or row.updated_at) < before
        ]
        is_all = len(rows) < limit
        return WalkedJobs(due, None if is_all else Place(rows[-1].created_at, rows[-1].job_id))

    def remove_jobs(
        self, ids: Sequence[JobId], status: JobStatus, before: datetime, case_limit: int | None = None
    ) -> Removed:
        """Remove jobs that are still due and that no other transaction has locked."""
        wanted = {"ids": sorted(ids), "of_status": status.value, "before": before}
        rows = self._connection.execute(_LOCK_JOBS, wanted).all()
        codes = {JobId(row.job_id): row.code_key for row in rows}
        bytes_of_code = sum(code_bytes(row.spec) for row in rows)
        return self._purges.remove_rows(codes, bytes_of_code, case_limit=case_limit)

    def mark(self, name: str) -> datetime | None:
        """Return how far a walk has progressed."""
        found = self._connection.execute(_MARK, {"mark": name}).first()
        if found is None:
            self._add_mark(name)
            return None
        at: datetime | None = found.at
        return at

    def set_mark(self, name: str, at: datetime) -> bool:
        """Record how far a walk has progressed."""
        return self._connection.execute(_SET_MARK, {"mark": name, "to": at}).rowcount == 1

    def take_turn(self, name: str, now: datetime, every_s: float) -> bool:
        """Claim a periodic task for this process, unless it was done less than `every_s` seconds ago."""
        self.mark(name)
        interval = timedelta(seconds=every_s)
        wanted = {"mark": name, "to": now, "due": now - interval, "latest": now + interval}
        return self._connection.execute(_TAKE_TURN, wanted).rowcount == 1

    def ended_executions(self, after: Place | None, before: datetime, limit: int) -> Sequence[EndedExecution]:
        """Return executions in the order of their ends."""
        rows = self._walked(_ENDED, _ENDED_ON, {"before": before, "limit": limit}, after)
        return [
            EndedExecution(
                id=ExecutionId(row.execution_id),
                place=Place(row.ended_at, row.execution_id),
                tenant=TenantName(row.tenant),
                project=ProjectId(row.project_id),
                has_log=bool(row.has_log),
            )
            for row in rows
        ]

    def remove_logs(self, ids: Sequence[ExecutionId]) -> int:
        """Remove executions' logs, and schedule the deletion of their objects; return their total size."""
        rows = self._connection.execute(_LOCK_LOGS, {"ids": sorted(ids)}).all()
        if not rows:
            return 0
        self._connection.execute(_REMOVE_LOGS, {"ids": [row.execution_id for row in rows]})
        note_deletions(self._connection, {(StoreName.LOG, row.log_key) for row in rows}, None)
        return sum(row.log_bytes or 0 for row in rows)

    def forget_usage(self, tenant: TenantName, before: datetime, limit: int) -> int:
        """Remove the daily usage sums before a time, first by project and then by tenant."""
        day = before.date()
        for table, found, until in (
            (usage_by_day, _DAYS, day),
            (usage_of_tenants, _PERIODS, day.isoformat()),
        ):
            wanted = {"of_tenant": tenant.value, "until": until, "limit": limit}
            keys = self._connection.execute(found, wanted).all()
            if keys:
                columns = sa.tuple_(*table.primary_key.columns)
                removal = sa.delete(table).where(columns.in_(sorted(tuple(key) for key in keys)))
                self._connection.execute(removal)
                return len(keys)
        return 0

    def unowned(
        self, store: StoreName, keys: Collection[ObjectKey], *, lock: bool = False
    ) -> Sequence[ObjectKey]:
        """Return the keys of objects that no row references."""
        if store is StoreName.LOG:
            own = {key.value for key in keys if is_own_log(key)}
            there = self._there(_LOGS_THERE, {"keys": sorted(own)}, lock=lock) if own else set()
            return [ObjectKey(key) for key in sorted(own - there)]
        codes: dict[JobId, list[ObjectKey]] = defaultdict(list)
        of_blobs: dict[TenantName, dict[str, ObjectKey]] = defaultdict(dict)
        for key in keys:
            match owner_of_code(key):
                case JobObject(job_id):
                    codes[job_id].append(key)
                case BlobObject(tenant, sha256):
                    of_blobs[tenant][sha256] = key
        unowned: list[ObjectKey] = []
        if codes:
            there = self._there(_JOBS_THERE, {"ids": sorted(codes)}, lock=lock)
            unowned += [key for job_id, own in codes.items() if job_id not in there for key in own]
        for tenant, of_tenant in of_blobs.items():
            wanted = {"of_tenant": tenant.value, "digests": sorted(of_tenant)}
            there = self._there(_BLOBS_THERE, wanted, lock=lock)
            unowned += [key for sha256, key in of_tenant.items() if sha256 not in there]
        return unowned

    def due_rows(
        self, project: ProjectId, status: JobStatus, before: datetime, most: int, sample: int
    ) -> DueRows:
        """Count the due jobs of a project, and sum up the sizes of a sample of the oldest."""
        wanted = {"of_project": project, "of_status": status.value, "before": before}
        number = self._connection.execute(_COUNT, {**wanted, "most": most}).scalar_one()
        rows = self._connection.execute(_SAMPLE, {**wanted, "limit": sample}).all()
        if not rows:
            return DueRows()
        ids = {"ids": [row.job_id for row in rows]}
        of_executions = self._connection.execute(_SAMPLED_EXECUTIONS, ids).one()
        return DueRows(
            jobs=number,
            sampled=len(rows),
            code_bytes=sum(code_bytes(row.spec) for row in rows),
            executions=of_executions.executions,
            logs=of_executions.logs,
            log_bytes=int(of_executions.log_bytes),
            tags=self._connection.execute(_SAMPLED_TAGS, ids).scalar_one(),
        )

    def _walked(
        self,
        first: sa.Select[Any],
        further: sa.Select[Any],
        wanted: Mapping[str, object],
        after: Place | None,
    ) -> Sequence[sa.Row[Any]]:
        if after is None:
            return self._connection.execute(first, wanted).all()
        place = {"place_at": after.at, "place_id": after.id}
        return self._connection.execute(further, {**wanted, **place}).all()

    def _there(self, statement: sa.Select[Any], wanted: Mapping[str, object], *, lock: bool) -> set[Any]:
        locked = statement.with_for_update() if lock else statement
        return set(self._connection.execute(locked, wanted).scalars())

    def _set(self, row: Mapping[str, object]) -> None:
        if not inserted(lambda: self._connection.execute(_SET, row)):
            raise ConcurrencyConflict("another transaction has set the same policy")

    def _add_mark(self, name: str) -> None:
        if not inserted(lambda: self._connection.execute(_ADD_MARK, {"name": name})):
            raise ConcurrencyConflict("another transaction has recorded the same walk")
