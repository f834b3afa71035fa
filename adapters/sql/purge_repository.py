"""SQL repository of purges and pending deletions."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from adapters.sql.blob_repository import SqlBlobRepository
from adapters.sql.database_time import database_time, is_from_the_future, microseconds
from adapters.sql.errors import inserted
from adapters.sql.pending_deletions import note_deletions
from adapters.sql.tables import (
    api_keys,
    batches,
    case_ranges,
    case_results,
    case_runs,
    case_set_versions,
    executions,
    idempotency_keys,
    job_builds,
    job_reruns,
    job_tags,
    jobs,
    pending_deletions,
    projects,
    purges,
    retention_policies,
    sessions,
    webhook_deliveries,
    webhooks,
)
from application.errors import ConcurrencyConflict
from application.ports.purge_repository import (
    PendingDeletion,
    Purge,
    PurgeRepository,
    Removed,
    StoreName,
    UnusedBlobs,
)
from domain.job import Job
from domain.job_lifecycle import JobStatus
from domain.tenant import TenantName
from domain.values import ExecutionId, JobId, ObjectKey

_PURGE_COLUMNS = (
    purges.c.purge_id,
    purges.c.tenant,
    purges.c.project_id,
    purges.c.project,
    purges.c.requested_at,
    purges.c.requested_by,
    purges.c.removed_jobs,
    purges.c.freed_bytes,
)
_idle_since = database_time(sa.bindparam("offset_us", type_=sa.BigInteger))


def _is_idle(taken_at: sa.Column[Any]) -> sa.ColumnElement[bool]:
    return sa.or_(taken_at.is_(None), taken_at <= _idle_since, is_from_the_future(taken_at))


_is_this = purges.c.purge_id == sa.bindparam("id")
# Purges locked by other processes are skipped.
_NEXT = (
    sa.select(*_PURGE_COLUMNS)
    .where(
        sa.not_(purges.c.is_emptied),
        sa.or_(purges.c.taken_by == sa.bindparam("worker"), _is_idle(purges.c.taken_at)),
    )
    .order_by(purges.c.requested_at, purges.c.purge_id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_TAKE = (
    sa.update(purges).where(_is_this).values(taken_at=database_time(), taken_by=sa.bindparam("worker_name"))
)
_COUNT = (
    sa.update(purges)
    .where(_is_this)
    .values(
        removed_jobs=purges.c.removed_jobs + sa.bindparam("more"),
        freed_bytes=purges.c.freed_bytes + sa.bindparam("freed"),
        is_emptied=sa.bindparam("none_left"),
        taken_at=database_time(),
    )
)
_FINISHED = (
    sa.select(*_PURGE_COLUMNS)
    .where(
        purges.c.is_emptied,
        sa.or_(purges.c.project_id.is_not(None), purges.c.requested_at < sa.bindparam("before")),
        sa.not_(sa.exists().where(pending_deletions.c.purge_id == purges.c.purge_id)),
    )
    .order_by(purges.c.requested_at, purges.c.purge_id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_HAS_WORK = sa.select(
    sa.or_(sa.exists(sa.select(purges.c.purge_id)), sa.exists(sa.select(pending_deletions.c.digest)))
)
_REOPEN = sa.update(purges).where(_is_this).values(is_emptied=False, taken_at=None)
_FORGET = sa.delete(purges).where(_is_this)
# The other rows of a tenant, as pairs of owner column and key column.
_OF_TENANT = (
    (case_set_versions.c.tenant, case_set_versions.c.version_id),
    (webhook_deliveries.c.tenant, webhook_deliveries.c.delivery_id),
    (webhooks.c.tenant, webhooks.c.webhook_id),
    (idempotency_keys.c.tenant, idempotency_keys.c.digest),
    (sessions.c.home, sessions.c.session_id),
    (api_keys.c.tenant, api_keys.c.key_id),
    (retention_policies.c.tenant, retention_policies.c.project_id),
    (projects.c.tenant, projects.c.project_id),
)
# The same for a project.
_OF_PROJECT = (
    (case_set_versions.c.project_id, case_set_versions.c.version_id),
    (webhook_deliveries.c.project_id, webhook_deliveries.c.delivery_id),
    (webhooks.c.project_id, webhooks.c.webhook_id),
    (retention_policies.c.project_id, retention_policies.c.project_id),
    (projects.c.project_id, projects.c.project_id),
)
_REMOVED_AT_ONCE = 500

_are_these_jobs: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)
_EXECUTIONS = (
    sa.select(executions.c.execution_id, executions.c.log_key, executions.c.log_bytes)
    .where(executions.c.job_id.in_(_are_these_jobs))
    .with_for_update()
)
# Locked, so that one of the transactions that remove a batch's last jobs sees that no job is left.
_BATCHES = (
    sa.select(batches.c.batch_id)
    .where(
        batches.c.batch_id.in_(
            sa.select(jobs.c.batch_id).where(jobs.c.job_id.in_(_are_these_jobs), jobs.c.batch_id.is_not(None))
        )
    )
    .with_for_update()
)
_REMOVE_BATCHES = sa.delete(batches).where(
    batches.c.batch_id.in_(sa.bindparam("batch_ids", expanding=True, type_=batches.c.batch_id.type)),
    sa.not_(sa.exists().where(jobs.c.batch_id == batches.c.batch_id)),
)
_REMOVE = tuple(
    sa.delete(table).where(table.c.job_id.in_(_are_these_jobs))
    for table in (executions, job_tags, job_reruns, case_ranges, case_results, case_runs, job_builds, jobs)
)
_CASES = (
    sa.select(case_results.c.job_id, case_results.c.case_index)
    .where(case_results.c.job_id.in_(_are_these_jobs))
    .order_by(case_results.c.job_id, case_results.c.case_index)
    .limit(sa.bindparam("limit"))
)
_REMOVE_CASES = sa.delete(case_results).where(case_results.c.job_id.in_(_are_these_jobs))
_REMOVE_FIRST_CASES = sa.delete(case_results).where(
    case_results.c.job_id == sa.bindparam("of_job", type_=case_results.c.job_id.type),
    case_results.c.case_index <= sa.bindparam("until"),
)
_FORGET_RERUNS = sa.delete(job_reruns).where(job_reruns.c.rerun_of.in_(_are_these_jobs))
# Including pending deliveries: removed data is not sent to receivers.
_REMOVE_DELIVERIES = sa.delete(webhook_deliveries).where(webhook_deliveries.c.subject.in_(_are_these_jobs))
# A repeated request finds its key but no answer: nothing is created again, and no output is shown. The answer
# is overdue at once, so the first request does not appear to be in progress.
_FORGET_ANSWERS = (
    sa.update(idempotency_keys)
    .where(
        idempotency_keys.c.made.in_(
            sa.bindparam("removed", expanding=True, type_=idempotency_keys.c.made.type)
        )
    )
    .values(status=None, headers=None, body=None, answer_due=idempotency_keys.c.received_at)
)
# Imported jobs may share code: their keys do not contain the job's id.
_OTHERS_WITH_CODE = sa.select(jobs.c.code_key).where(
    jobs.c.code_key.in_(sa.bindparam("keys", expanding=True)),
    jobs.c.job_id.not_in(_are_these_jobs),
    # The condition of the partial index, so that SQLite uses the index.
    sa.text("instr(jobs.code_key, jobs.job_id) = 0"),
)

_DELETIONS = (
    sa.select(
        pending_deletions.c.digest,
        pending_deletions.c.store,
        pending_deletions.c.object_key,
        sa.exists()
        .where(
            pending_deletions.c.store == StoreName.LOG.value,
            executions.c.log_key == pending_deletions.c.object_key,
        )
        .label("is_shared"),
    )
    .where(
        pending_deletions.c.digest.in_(sa.bindparam("digests", expanding=True)),
    )
    .order_by(pending_deletions.c.added_at, pending_deletions.c.digest)
)
_IDLE_DELETIONS = (
    sa.select(pending_deletions.c.digest)
    .where(_is_idle(pending_deletions.c.taken_at))
    .order_by(pending_deletions.c.added_at, pending_deletions.c.digest)
    .limit(sa.bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_are_these_digests = pending_deletions.c.digest.in_(sa.bindparam("digests", expanding=True))
_TAKE_DELETIONS = sa.update(pending_deletions).where(_are_these_digests).values(taken_at=database_time())
_FORGET_DELETIONS = sa.delete(pending_deletions).where(_are_these_digests)


class SqlPurgeRepository(PurgeRepository):
    """Repository of purges, and of the objects of removed jobs."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._blobs = SqlBlobRepository(connection)

    def add(self, purge: Purge) -> None:
        """Store a new purge of a project or a tenant."""
        row = {
            "purge_id": purge.id,
            "tenant": purge.tenant.value,
            "project_id": purge.project_id,
            "project": purge.project,
            "requested_at": purge.requested_at,
            "requested_by": purge.requested_by,
            "removed_jobs": purge.removed_jobs,
            "freed_bytes": purge.freed_bytes,
            "is_emptied": False,
        }
        inserted(lambda: self._connection.execute(sa.insert(purges), row))

    def take(self, worker: str, idle_s: float) -> Purge | None:
        """Take the oldest purge with jobs left, for this worker."""
        wanted = {"worker": worker, "offset_us": -microseconds(idle_s)}
        row = self._connection.execute(_NEXT, wanted).mappings().first()
        if row is None:
            return None
        self._connection.execute(_TAKE, {"id": row["purge_id"], "worker_name": worker})
        return _to_purge(row)

    def running_jobs(self, purge: Purge, limit: int) -> Sequence[JobId]:
        """Return up to `limit` RUNNING jobs of a purge."""
        found = (
            sa.select(jobs.c.job_id)
            .where(_is_in(purge, jobs), jobs.c.status == JobStatus.RUNNING.value)
            .limit(limit)
        )
        return self._connection.execute(found).scalars().all()

    def remove_jobs(self, purge: Purge, limit: int, case_limit: int | None = None) -> Removed:
        """Remove the rows of up to `limit` jobs of a purge that are not RUNNING."""
        found = (
            sa.select(jobs.c.job_id, jobs.c.code_key, jobs.c.spec)
            .where(_is_in(purge, jobs), jobs.c.status != JobStatus.RUNNING.value)
            .limit(limit)
            .with_for_update()
        )
        rows = self._connection.execute(found).all()
        codes = {row.job_id: row.code_key for row in rows}
        bytes_of_code = sum(code_bytes(row.spec) for row in rows)
        removed = self.remove_rows(codes, bytes_of_code, purge.id, case_limit)
        left = sa.select(jobs.c.job_id).where(_is_in(purge, jobs)).limit(1)
        none_left = len(codes) < limit and self._connection.execute(left).first() is None
        counted = {"more": len(removed.jobs), "freed": removed.freed_bytes, "none_left": none_left}
        self._connection.execute(_COUNT, {"id": purge.id, **counted})
        return removed

    def remove_job(self, job: Job) -> Removed:
        """Remove the rows of a job that has ended."""
        return self.remove_rows({job.id: job.spec.code_key.value}, job.spec.code_bytes, None)

    def finish_next(self, requested_before: datetime) -> Purge | None:
        """Remove the last rows of a purge that has no jobs left; return the purge once it is finished."""
        row = self._connection.execute(_FINISHED, {"before": requested_before}).mappings().first()
        if row is None:
            return None
        purge = _to_purge(row)
        late = sa.select(jobs.c.job_id).where(_is_in(purge, jobs)).limit(1)
        if self._connection.execute(late).first() is not None:  # uploaded while the purge was requested
            self._connection.execute(_REOPEN, {"id": purge.id})
            return None
        if purge.project_id is not None:
            if any(self._remove_of(purge.project_id, *columns) for columns in _OF_PROJECT):
                return None
        elif self._remove_blobs(purge) or any(
            self._remove_of(purge.tenant.value, *columns) for columns in _OF_TENANT
        ):
            return None
        self._connection.execute(_FORGET, {"id": purge.id})
        return purge

    def has_work(self) -> bool:
        """Return whether there is a purge or a pending deletion."""
        return bool(self._connection.execute(_HAS_WORK).scalar_one())

    def take_deletions(self, idle_s: float, limit: int) -> Sequence[PendingDeletion]:
        """Take the oldest deletions that no process has taken recently."""
        wanted = {"offset_us": -microseconds(idle_s), "limit": limit}
        digests = sorted(self._connection.execute(_IDLE_DELETIONS, wanted).scalars())
        if not digests:
            return []
        rows = self._connection.execute(_DELETIONS, {"digests": digests}).mappings().all()
        self._connection.execute(_TAKE_DELETIONS, {"digests": digests})
        return [
            PendingDeletion(
                row["digest"], StoreName(row["store"]), ObjectKey(row["object_key"]), bool(row["is_shared"])
            )
            for row in rows
        ]

    def forget_deletions(self, digests: Collection[str]) -> None:
        """Remove the records of deletions that are done."""
        if digests:
            self._connection.execute(_FORGET_DELETIONS, {"digests": sorted(digests)})

    def delete_object(self, store: StoreName, key: ObjectKey) -> None:
        """Schedule the deletion of an object that belongs to no job."""
        note_deletions(self._connection, {(store, key.value)}, None)

    def remove_unused_blobs(self, idle_s: float, limit: int) -> UnusedBlobs:
        """Remove blobs that were unreferenced for `idle_s` seconds."""
        return self._blobs.remove_unused(idle_s, limit)

    def _remove_blobs(self, purge: Purge) -> bool:
        """Remove a bounded number of a tenant's blobs; return False if there were none."""
        freed = self._blobs.remove_of_tenant(purge.tenant, purge.id, _REMOVED_AT_ONCE)
        if freed is None:
            return False
        self._connection.execute(_COUNT, {"id": purge.id, "more": 0, "freed": freed, "none_left": True})
        return True

    def _remove_of(self, name: str | int, owner: sa.Column[Any], key: sa.Column[Any]) -> bool:
        """Remove a bounded number of an owner's rows; return whether more may be left."""
        of_owner = sa.select(key).where(owner == name).limit(_REMOVED_AT_ONCE)
        found = self._connection.execute(of_owner).scalars().all()
        if found:
            if owner.table is case_set_versions:
                self._blobs.release(found)
            removal = sa.delete(owner.table).where(owner == name, key.in_(sorted(found)))
            self._connection.execute(removal)
        return len(found) == _REMOVED_AT_ONCE

    def remove_rows(
        self,
        codes: Mapping[JobId, str],
        bytes_of_code: int,
        purge_id: UUID | None = None,
        case_limit: int | None = None,
    ) -> Removed:
        """Remove the rows of jobs, given with the keys of their code, and schedule deletion of their objects.

        If the jobs have `case_limit` or more results of cases, only `case_limit` results are removed, and no
        jobs.

        Raises:
            ConcurrencyConflict: Another transaction has removed one of the jobs.
        """
        if not codes:
            return Removed([], [], 0)
        ids = {"ids": sorted(codes)}
        cases = 0 if case_limit is None else self._remove_cases(codes, case_limit)
        if cases == case_limit:
            return Removed([], [], 0, cases)
        in_batches = sorted(self._connection.execute(_BATCHES, ids).scalars())
        rows = self._connection.execute(_EXECUTIONS, ids).all()
        objects = {(StoreName.LOG, row.log_key) for row in rows if row.log_key is not None}
        objects |= {(StoreName.CODE, key) for key in self._own_code(codes)}
        self._connection.execute(_REMOVE_DELIVERIES, ids)
        for statement in _REMOVE:
            removed = self._connection.execute(statement, ids).rowcount
        self._connection.execute(_FORGET_RERUNS, ids)
        self._blobs.release([*codes, *(row.execution_id for row in rows)])
        if in_batches:
            self._connection.execute(_REMOVE_BATCHES, {"batch_ids": in_batches})
        made = [str(made) for made in (*sorted(codes), *in_batches)]
        self._connection.execute(_FORGET_ANSWERS, {"removed": made})
        if removed != len(codes):
            raise ConcurrencyConflict("a job was removed by another transaction")
        note_deletions(self._connection, objects, purge_id)
        freed_bytes = bytes_of_code + sum(row.log_bytes or 0 for row in rows)
        return Removed(list(codes), [ExecutionId(row.execution_id) for row in rows], freed_bytes, cases)

    def _remove_cases(self, jobs_of: Collection[JobId], limit: int) -> int:
        """Count the jobs' results of cases, up to a limit; if the limit is reached, remove that many."""
        found = self._connection.execute(_CASES, {"ids": sorted(jobs_of), "limit": limit}).all()
        if len(found) < limit:
            return len(found)
        last = found[-1]
        if whole := sorted({row.job_id for row in found} - {last.job_id}):
            self._connection.execute(_REMOVE_CASES, {"ids": whole})
        self._connection.execute(_REMOVE_FIRST_CASES, {"of_job": last.job_id, "until": last.case_index})
        return limit

    def _own_code(self, codes: Mapping[JobId, str]) -> set[str]:
        """Return the keys of code that no other job uses."""
        imported = sorted({key for job_id, key in codes.items() if str(job_id) not in key})
        if not imported:
            return set(codes.values())
        shared = self._connection.execute(_OTHERS_WITH_CODE, {"keys": imported, "ids": sorted(codes)})
        return set(codes.values()) - set(shared.scalars())


def code_bytes(spec: Mapping[str, Any] | None) -> int:
    """Return the size of the code in a stored specification; 0 if the version did not record it."""
    size: int = (spec or {}).get("code_bytes", 0)
    return size


def _is_in(purge: Purge, table: sa.Table) -> sa.ColumnElement[bool]:
    if purge.project_id is None:
        return table.c.tenant == purge.tenant.value
    return table.c.project_id == purge.project_id


def _to_purge(row: sa.RowMapping) -> Purge:
    return Purge(
        id=row["purge_id"],
        tenant=TenantName(row["tenant"]),
        project_id=row["project_id"],
        project=row["project"],
        requested_at=row["requested_at"],
        requested_by=row["requested_by"],
        removed_jobs=row["removed_jobs"],
        freed_bytes=row["freed_bytes"],
    )
