"""SQL repository of batches."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from adapters.sql.errors import inserted
from adapters.sql.mapping import BATCH_COLUMNS, STORED_STATES, batch_values, to_batch
from adapters.sql.tables import batches, executions, jobs, projects
from application.lists import Cursor
from application.ports.batch_repository import BatchRepository
from domain.batch import Batch
from domain.caller import Caller
from domain.execution_lifecycle import ExecutionState
from domain.job_lifecycle import JobStatus, Phase
from domain.project import ProjectStatus
from domain.values import BatchId, JobId

_UNFINISHED = [status.value for status in JobStatus if not status.is_terminal]

_has_id = batches.c.batch_id == sa.bindparam("id")
_is_reached = sa.and_(
    batches.c.tenant == sa.bindparam("caller_tenant"),
    sa.or_(
        sa.bindparam("caller_project", type_=sa.Integer).is_(None),
        batches.c.project_id == sa.bindparam("caller_project", type_=sa.Integer),
    ),
)
_ADD = sa.insert(batches)
_GET = sa.select(*BATCH_COLUMNS).where(_has_id, _is_reached)
_BY_ID = sa.select(*BATCH_COLUMNS).where(_has_id)
_PAGE = (
    sa.select(*BATCH_COLUMNS)
    .where(_is_reached)
    .order_by(batches.c.created_at.desc(), batches.c.batch_id.desc())
    .limit(sa.bindparam("limit"))
)
_created_at = sa.bindparam("created_at", type_=batches.c.created_at.type)
# Written so that the database uses a range of the index.
_NEXT_PAGE = _PAGE.where(
    batches.c.created_at <= _created_at,
    sa.or_(
        batches.c.created_at < _created_at,
        batches.c.batch_id < sa.bindparam("after", type_=batches.c.batch_id.type),
    ),
)
_are_of_these = sa.and_(
    jobs.c.batch_id.in_(sa.bindparam("ids", expanding=True, type_=jobs.c.batch_id.type)),
    # Rows of a purged project remain for a while.
    sa.not_(
        sa.exists().where(
            projects.c.project_id == jobs.c.project_id, projects.c.status == ProjectStatus.PURGED.value
        )
    ),
)
_JOBS = sa.select(jobs.c.batch_id, jobs.c.job_id, jobs.c.status).where(_are_of_these)
_COUNTS = (
    sa.select(jobs.c.batch_id, jobs.c.status, sa.func.count().label("number"))
    .where(_are_of_these)
    .group_by(jobs.c.batch_id, jobs.c.status)
)
# Starts from the claimed executions, which are few.
_BEGUN = (
    sa.select(jobs.c.batch_id, executions.c.started_at.is_not(None), sa.func.count())
    .join_from(executions, jobs, jobs.c.job_id == executions.c.job_id)
    .where(
        executions.c.state == STORED_STATES[ExecutionState.CLAIMED],
        jobs.c.current_execution_id == executions.c.execution_id,
        sa.or_(executions.c.started_at.is_not(None), executions.c.building_at.is_not(None)),
        jobs.c.status == JobStatus.RUNNING.value,
        _are_of_these,
    )
    .group_by(jobs.c.batch_id, executions.c.started_at.is_not(None))
)
_MARK_CANCELLED = (
    sa.update(batches)
    .where(_has_id, batches.c.cancelled_at.is_(None))
    .values(cancelled_at=sa.bindparam("now"))
)
_go_on = jobs.c.status.in_(_UNFINISHED)
_UNFINISHED_JOBS = (
    sa.select(jobs.c.job_id)
    .where(jobs.c.batch_id == sa.bindparam("id", type_=jobs.c.batch_id.type), _go_on)
    .limit(sa.bindparam("limit"))
)
_COMPLETE = (
    sa.update(batches)
    .where(_has_id, batches.c.completed_at.is_(None))
    .values(completed_at=sa.bindparam("now"))
)
_OVERDUE = (
    sa.select(batches.c.batch_id)
    .where(
        batches.c.completed_at.is_(None),
        sa.not_(sa.exists().where(jobs.c.batch_id == batches.c.batch_id, _go_on)),
    )
    .limit(sa.bindparam("limit"))
)
_BEING_CANCELLED = (
    sa.select(*BATCH_COLUMNS)
    .where(batches.c.completed_at.is_(None), batches.c.cancelled_at.is_not(None))
    .limit(sa.bindparam("limit"))
)


class SqlBatchRepository(BatchRepository):
    """Repository of batches, and of the statuses of their jobs."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, batch: Batch) -> None:
        """Store a new batch, unless it is stored already."""
        inserted(lambda: self._connection.execute(_ADD, batch_values(batch)))

    def get(self, caller: Caller, batch_id: BatchId) -> Batch | None:
        """Return the batch with an id, or None if the caller can access none."""
        found = self._connection.execute(_GET, {"id": batch_id, **_reach(caller)}).mappings().first()
        return None if found is None else to_batch(found)

    def get_of_any_tenant(self, batch_id: BatchId) -> Batch | None:
        """Return the batch with an id, regardless of its tenant, or None."""
        found = self._connection.execute(_BY_ID, {"id": batch_id}).mappings().first()
        return None if found is None else to_batch(found)

    def page(self, caller: Caller, limit: int, cursor: Cursor | None) -> Sequence[Batch]:
        """Return one page of the batches that the caller can access, newest first."""
        wanted: dict[str, object] = {"limit": limit, **_reach(caller)}
        if cursor is None:
            rows = self._connection.execute(_PAGE, wanted)
        else:
            after = {"created_at": cursor.at, "after": cursor.id}
            rows = self._connection.execute(_NEXT_PAGE, {**wanted, **after})
        return [to_batch(row) for row in rows.mappings()]

    def jobs(self, batch_ids: Collection[BatchId]) -> Mapping[BatchId, Mapping[JobId, JobStatus]]:
        """Return the jobs of some batches with their statuses; ids ascend in the order of submission."""
        found: defaultdict[BatchId, dict[JobId, JobStatus]] = defaultdict(dict)
        if batch_ids:
            rows = self._connection.execute(_JOBS, {"ids": sorted(batch_ids)}).all()
            for batch_id, job_id, status in sorted(rows):
                found[batch_id][job_id] = JobStatus(status)
        return found

    def counts(self, batch_ids: Collection[BatchId]) -> Mapping[BatchId, Mapping[JobStatus, int]]:
        """Return the number of jobs of each batch by status."""
        found: defaultdict[BatchId, dict[JobStatus, int]] = defaultdict(dict)
        if batch_ids:
            for batch_id, status, number in self._connection.execute(_COUNTS, {"ids": sorted(batch_ids)}):
                found[batch_id][JobStatus(status)] = number
        return found

    def begun(self, batch_ids: Collection[BatchId]) -> Mapping[BatchId, Mapping[Phase, int]]:
        """Return the number of jobs of each batch that are building or running, by phase."""
        found: defaultdict[BatchId, dict[Phase, int]] = defaultdict(dict)
        if batch_ids:
            for batch_id, has_started, number in self._connection.execute(_BEGUN, {"ids": sorted(batch_ids)}):
                found[batch_id][Phase.RUNNING if has_started else Phase.BUILDING] = number
        return found

    def mark_cancelled(self, batch_id: BatchId, now: datetime) -> None:
        """Record that the cancellation of a batch was requested."""
        self._connection.execute(_MARK_CANCELLED, {"id": batch_id, "now": now})

    def unfinished(self, batch_id: BatchId, limit: int) -> Sequence[JobId]:
        """Return up to `limit` jobs of a batch that have not ended."""
        return self._connection.execute(_UNFINISHED_JOBS, {"id": batch_id, "limit": limit}).scalars().all()

    def complete(self, batch_id: BatchId, now: datetime) -> bool:
        """Mark a batch completed if all its jobs have ended; return whether this call has marked it.

        The check needs no row locks: jobs are never added to a batch, and ended jobs never resume.
        """
        if self.unfinished(batch_id, 1):
            return False
        return self._connection.execute(_COMPLETE, {"id": batch_id, "now": now}).rowcount == 1

    def overdue(self, limit: int) -> Sequence[BatchId]:
        """Return batches whose jobs have all ended, but that are not marked completed."""
        return self._connection.execute(_OVERDUE, {"limit": limit}).scalars().all()

    def being_cancelled(self, limit: int) -> Sequence[Batch]:
        """Return batches whose cancellation was requested and that are not completed."""
        rows = self._connection.execute(_BEING_CANCELLED, {"limit": limit}).mappings()
        return [to_batch(row) for row in rows]


def _reach(caller: Caller) -> dict[str, object]:
    return {"caller_tenant": caller.tenant.name.value, "caller_project": caller.project}
