"""Statistics for the dashboard, counted from indexes only and up to a bound."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from adapters.sql.engine import reading
from adapters.sql.fair_claim import FairClaim
from adapters.sql.mapping import STORED_STATES
from adapters.sql.queue_statements import (
    MOST_TENANTS,
    OLDEST_OF,
    count_up_to,
    is_owned,
    postponed_up_to,
    waits,
)
from adapters.sql.tables import executions, jobs, projects
from adapters.sql.transaction_retrier import TransactionRetrier
from application.ports.dashboard_queries import (
    COUNTED_UP_TO,
    DashboardQueries,
    EndedJob,
    ProjectActivity,
    QueuedJob,
    QueueState,
)
from domain.execution import Execution
from domain.execution_lifecycle import ExecutionState
from domain.job_lifecycle import JobStatus, Phase, State
from domain.priority import MAX_PRIORITY
from domain.tenant import TenantName
from domain.values import ProjectId

_count = partial(count_up_to, COUNTED_UP_TO)


@cache
def _activity(hours: int) -> sa.CompoundSelect[int, int]:
    """Count a project's jobs by status, then by hour. Cached, because building the statement is expensive."""
    is_in_project = jobs.c.project_id == sa.bindparam("project_id")
    by_status = [_count(jobs, is_in_project, jobs.c.status == status.value) for status in JobStatus]
    by_hour = [
        _count(
            jobs,
            is_in_project,
            jobs.c.created_at >= sa.bindparam(f"from_{hour}"),
            jobs.c.created_at < sa.bindparam(f"until_{hour}"),
        )
        for hour in range(hours)
    ]
    numbered = [
        sa.select(sa.literal_column(str(number)).label("place"), count.subquery(f"count_{number}").c.number)
        for number, count in enumerate([*by_status, *by_hour])
    ]
    return sa.union_all(*numbered).order_by("place")


@cache
def ended_statement(slices: int) -> sa.Select[tuple[Any, ...]]:
    """Find the last executions of each time slice in the index of their ends, then the jobs that ended."""
    found = (sa.select(_ended_in(number).subquery(f"slice_{number}")) for number in range(slices))
    last = sa.union_all(*found).subquery("last")
    is_its_job = sa.and_(jobs.c.job_id == last.c.job_id, jobs.c.current_execution_id == last.c.execution_id)
    columns = (last.c.slice, jobs.c.status, last.c.requested_at, last.c.claimed_at, last.c.ended_at)
    return sa.select(*columns).join_from(last, jobs, is_its_job)


def _ended_in(number: int) -> sa.Select[tuple[Any, ...]]:
    keys = sa.select(
        sa.literal_column(str(number)).label("slice"),
        executions.c.execution_id,
        executions.c.job_id,
        executions.c.requested_at,
        executions.c.claimed_at,
        executions.c.ended_at,
    )
    return (
        keys.with_hint(executions, "FORCE INDEX (ix_executions_ended)", "mysql")
        .where(
            executions.c.ended_at >= sa.bindparam(f"from_{number}"),
            executions.c.ended_at < sa.bindparam(f"until_{number}"),
        )
        .order_by(executions.c.ended_at.desc())
        .limit(sa.bindparam("limit"))
    )


def _bounds(times: Sequence[datetime]) -> dict[str, datetime]:
    """Return the statement parameters for the bounds of each time slice."""
    return {
        name: time
        for number, (begin, end) in enumerate(pairwise(times))
        for name, time in ((f"from_{number}", begin), (f"until_{number}", end))
    }


# Claimed executions are few, so they are scanned for the ones of a project.
_BEGUN = (
    sa.select(executions.c.started_at.is_not(None).label("has_started"), sa.func.count().label("number"))
    .join_from(executions, jobs, jobs.c.job_id == executions.c.job_id)
    .where(
        executions.c.state == STORED_STATES[ExecutionState.CLAIMED],
        jobs.c.project_id == sa.bindparam("project_id"),
        jobs.c.current_execution_id == executions.c.execution_id,
        sa.or_(executions.c.started_at.is_not(None), executions.c.building_at.is_not(None)),
    )
    .group_by(executions.c.started_at.is_not(None))
)
_WAITING = _count(executions, waits)
_POSTPONED = postponed_up_to(COUNTED_UP_TO)


def _listing(state: ExecutionState, *conditions: sa.ColumnElement[bool]) -> sa.Select[tuple[Any, ...]]:
    """Find executions in a state by the queue's index, and then their jobs."""
    columns = (executions.c.tenant, executions.c.precedence, executions.c.requested_at)
    order = (*columns, executions.c.execution_id)
    keys = (
        sa.select(*order)
        .with_hint(executions, "FORCE INDEX (ix_executions_queue)", "mysql")
        .where(executions.c.state == STORED_STATES[state], *conditions)
        .order_by(*order)
        .limit(sa.bindparam("limit"))
        .subquery("keys")
    )
    is_it = executions.c.execution_id == keys.c.execution_id
    is_current = sa.and_(
        jobs.c.job_id == executions.c.job_id,
        jobs.c.current_execution_id == executions.c.execution_id,
        jobs.c.status == JobStatus.RUNNING.value,
    )
    return (
        sa.select(
            jobs.c.job_id,
            executions.c.tenant,
            jobs.c.project_id,
            projects.c.name.label("project"),
            jobs.c.language,
            sa.func.coalesce(executions.c.language, jobs.c.language).label("queue"),
            executions.c.requested_at,
            executions.c.lease_expires_at,
            executions.c.deferred_since,
            executions.c.claimed_by,
            executions.c.building_at,
            executions.c.started_at,
        )
        .select_from(keys)
        .join(executions, is_it)
        .join(jobs, is_current)
        .join(projects, projects.c.project_id == jobs.c.project_id)
        .order_by(keys.c.tenant, keys.c.precedence, keys.c.requested_at, keys.c.execution_id)
    )


LISTED_WAITING = _listing(ExecutionState.WAITING, is_owned)
LISTED_DELAYED = _listing(ExecutionState.DELAYED, is_owned)
LISTED_RUNNING = _listing(ExecutionState.CLAIMED, is_owned)
LISTED_RUNNING_OF_ALL = _listing(ExecutionState.CLAIMED)
_delayed = (
    sa.select(executions.c.tenant)
    .where(executions.c.state == STORED_STATES[ExecutionState.DELAYED])
    .limit(COUNTED_UP_TO)
    .subquery("delayed")
)
_DELAYED_TENANTS = sa.select(_delayed.c.tenant).distinct().limit(MOST_TENANTS)
_CLAIMED = _count(executions, executions.c.state == STORED_STATES[ExecutionState.CLAIMED])
_is_as_urgent = executions.c.precedence == sa.bindparam("precedence")
_MORE_URGENT = _count(executions, waits, is_owned, executions.c.precedence < sa.bindparam("precedence"))
_AS_URGENT_AND_OLDER = _count(
    executions,
    waits,
    is_owned,
    _is_as_urgent,
    executions.c.requested_at <= sa.bindparam("requested_at"),
    sa.or_(
        executions.c.requested_at < sa.bindparam("requested_at"),
        executions.c.execution_id < sa.bindparam("id"),
    ),
)


class SqlDashboardQueries(DashboardQueries):
    """Queries of statistics, at a cost that does not grow with the number of jobs."""

    def __init__(self, engine: sa.Engine, retrier: TransactionRetrier | None = None) -> None:
        self._engine = engine
        self._retrier = retrier or TransactionRetrier()

    def activity(self, project_id: ProjectId, times: Sequence[datetime]) -> ProjectActivity:
        """Return the activity of a project."""
        statement = _activity(max(len(times) - 1, 0))
        numbers = [row[1] for row in self._rows(statement, {"project_id": project_id, **_bounds(times)})]
        by_status = dict(zip(JobStatus, numbers, strict=False))
        running = by_status.pop(JobStatus.RUNNING)
        counts = {State.of(status, Phase.ENDED): number for status, number in by_status.items()}
        return ProjectActivity(
            counts={**counts, **self._phases(project_id, running)}, recent=numbers[len(JobStatus) :]
        )

    def _phases(self, project_id: ProjectId, running: int) -> Mapping[State, int]:
        """Count RUNNING jobs by phase. Jobs that are neither running nor building count as queued."""
        begun = {State.RUNNING: 0, State.BUILDING: 0}
        if running:
            rows = self._rows(_BEGUN, {"project_id": project_id})
            begun |= {
                (State.RUNNING if has_started else State.BUILDING): number for has_started, number in rows
            }
        return begun | {State.QUEUED: max(running - sum(begun.values()), 0)}

    def queue(self) -> QueueState:
        """Return the length of the queue and the age of its oldest entry, including postponed ones."""
        oldest = [
            row[0]
            for tenant in self._waiting_tenants()
            for row in self._rows(OLDEST_OF, {"owner": tenant})
            if row[0] is not None
        ]
        ((postponed, oldest_postponed),) = self._rows(_POSTPONED, {})
        if oldest_postponed is not None:
            oldest.append(oldest_postponed)
        return QueueState(
            waiting=min(self._count(_WAITING, {}) + postponed, COUNTED_UP_TO + 1),
            claimed=self.claimed(),
            oldest_waits_since=min(oldest, default=None),
        )

    def claimed(self) -> int:
        """Return the number of claimed executions of all tenants."""
        return self._count(_CLAIMED, {})

    def waiting_tenants(self) -> Sequence[TenantName]:
        """Return up to `MOST_TENANTS` tenants with waiting or delayed executions."""
        delayed = (row[0] for row in self._rows(_DELAYED_TENANTS, {}))
        names = dict.fromkeys((*self._waiting_tenants(), *delayed))
        return [TenantName(name) for name in names][:MOST_TENANTS]

    def waiting(self, tenant: TenantName, limit: int) -> Sequence[QueuedJob]:
        """Return up to `limit` jobs of a tenant: waiting ones in the order of claims, then delayed ones."""
        wanted = {"owner": tenant.value, "limit": limit}
        found = [_queued(row) for row in self._rows(LISTED_WAITING, wanted)]
        delayed = self._rows(LISTED_DELAYED, {**wanted, "limit": limit - len(found)})
        return [*found, *(_queued(row, delayed_until=row.lease_expires_at) for row in delayed)]

    def running(self, tenant: TenantName | None, limit: int) -> Sequence[QueuedJob]:
        """Return up to `limit` claimed jobs of a tenant, or of all tenants."""
        if tenant is None:
            rows = self._rows(LISTED_RUNNING_OF_ALL, {"limit": limit})
        else:
            rows = self._rows(LISTED_RUNNING, {"owner": tenant.value, "limit": limit})
        return [_queued(row) for row in rows]

    def executions_ahead(self, tenant: TenantName, execution: Execution) -> int:
        """Return the number of the tenant's waiting executions that will be claimed before this one."""
        place = {
            "owner": tenant.value,
            "precedence": MAX_PRIORITY - execution.priority,
            "requested_at": execution.requested_at,
            "id": execution.id,
        }
        ahead = [self._count(count, place) for count in (_MORE_URGENT, _AS_URGENT_AND_OLDER)]
        return min(sum(ahead), COUNTED_UP_TO + 1)

    def ended(self, times: Sequence[datetime], limit: int) -> Sequence[Sequence[EndedJob]]:
        """Return the last jobs that ended between each pair of successive times."""
        slices: list[list[EndedJob]] = [[] for _ in pairwise(times)]
        rows = self._rows(ended_statement(len(slices)), {"limit": limit, **_bounds(times)}) if slices else ()
        for number, status, requested_at, claimed_at, ended_at in rows:
            slices[number].append(
                EndedJob(
                    status=JobStatus(status),
                    requested_at=requested_at,
                    claimed_at=claimed_at,
                    ended_at=ended_at,
                )
            )
        return slices

    def _waiting_tenants(self) -> Sequence[str]:
        def read() -> Sequence[str]:
            with reading(self._engine) as connection:
                return FairClaim(connection).waiting_tenants(MOST_TENANTS)

        return self._retrier(read)

    def _count(self, statement: sa.Select[int], parameters: Mapping[str, object]) -> int:
        count: int = self._rows(statement, parameters)[0][0]
        return count

    def _rows(self, statement: sa.Executable, parameters: Mapping[str, object]) -> Sequence[Any]:
        def read() -> Sequence[Any]:
            with reading(self._engine) as connection:
                return connection.execute(statement, parameters).all()

        return self._retrier(read)


def _queued(row: Any, delayed_until: datetime | None = None) -> QueuedJob:  # noqa: ANN401 - a row of any statement
    return QueuedJob(
        job_id=row.job_id,
        tenant=TenantName(row.tenant),
        project_id=row.project_id,
        project=row.project,
        language=row.language,
        queue=row.queue,
        requested_at=row.requested_at,
        delayed_until=delayed_until,
        deferred_since=row.deferred_since,
        claimed_by=row.claimed_by,
        building_at=row.building_at,
        started_at=row.started_at,
    )
