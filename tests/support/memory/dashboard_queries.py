from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice, pairwise

from application.ports.dashboard_queries import (
    COUNTED_UP_TO,
    DashboardQueries,
    EndedJob,
    ProjectActivity,
    QueuedJob,
    QueueState,
)
from domain.execution import Execution
from domain.execution_lifecycle import LEASED, ExecutionState
from domain.job import Job
from domain.job_lifecycle import JobStatus, State, phase_of
from domain.tenant import TenantName
from domain.values import ExecutionId, ProjectId
from tests.support.memory.database import MemoryDatabase, QueuedExecution


class MemoryDashboardQueries(DashboardQueries):
    """Counts committed jobs and executions."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def activity(self, project_id: ProjectId, times: Sequence[datetime]) -> ProjectActivity:
        """Return the counts of a project."""
        found = [job for job in self._database.tables.jobs.values() if job.project_id == project_id]
        return ProjectActivity(
            counts={state: _count(job for job in found if self._state(job) is state) for state in State},
            recent=[
                _count(job for job in found if begin <= job.created_at < end)
                for begin, end in pairwise(times)
            ],
        )

    def _state(self, job: Job) -> State:
        row = job.current_execution_id and self._database.tables.executions.get(job.current_execution_id)
        execution = row.execution if row else None
        times = (None, None) if execution is None else (execution.building_at, execution.started_at)
        return State.of(job.status, phase_of(job.status, *times))

    def queue(self) -> QueueState:
        """Return the length of the queue."""
        rows = self._database.tables.executions.values()
        waiting = [
            row.execution.requested_at
            for row in rows
            if row.execution.state is ExecutionState.WAITING or row.is_postponed
        ]
        return QueueState(
            waiting=_count(waiting),
            claimed=_count(row for row in rows if row.execution.state in LEASED),
            oldest_waits_since=min(waiting, default=None),
        )

    def claimed(self) -> int:
        """Return the number of claimed executions of all tenants."""
        return self.queue().claimed

    def waiting_tenants(self) -> Sequence[TenantName]:
        """Return at most fifty tenants with waiting or delayed executions."""
        waiting = self._queued(ExecutionState.WAITING, ExecutionState.DELAYED)
        return sorted({row.tenant for row, _job in waiting}, key=str)[:50]

    def waiting(self, tenant: TenantName, limit: int) -> Sequence[QueuedJob]:
        """Return the waiting jobs of a tenant in claim order, then the delayed ones, up to a limit."""
        found = [
            self._shown(row, job)
            for state in (ExecutionState.WAITING, ExecutionState.DELAYED)
            for row, job in self._queued(state)
            if row.tenant == tenant
        ]
        return found[:limit]

    def running(self, tenant: TenantName | None, limit: int) -> Sequence[QueuedJob]:
        """Return the claimed jobs of a tenant, or of all tenants, up to a limit."""
        rows = self._queued(*LEASED)
        return [self._shown(row, job) for row, job in rows if tenant in {None, row.tenant}][:limit]

    def _queued(self, *states: ExecutionState) -> list[tuple[QueuedExecution, Job]]:
        tables = self._database.tables
        rows = (
            (row, tables.jobs[row.execution.job_id])
            for row in tables.executions.values()
            if row.execution.state in states
        )
        current = (
            (row, job)
            for row, job in rows
            if job.current_execution_id == row.execution.id and job.status is JobStatus.RUNNING
        )
        return sorted(current, key=lambda found: (found[0].tenant.value, *_turn(found[0].execution)))

    def _shown(self, row: QueuedExecution, job: Job) -> QueuedJob:
        execution, project = row.execution, self._database.tables.projects[job.project_id]
        return QueuedJob(
            job_id=job.id,
            tenant=row.tenant,
            project_id=job.project_id,
            project=project.name.value,
            language=job.spec.language.name,
            queue=row.queue or job.spec.language.name,
            requested_at=execution.requested_at,
            delayed_until=execution.delayed_until,
            deferred_since=execution.deferred_since,
            claimed_by=execution.claimed_by,
            building_at=execution.building_at,
            started_at=execution.started_at,
        )

    def executions_ahead(self, tenant: TenantName, execution: Execution) -> int:
        """Return the number of the tenant's waiting executions that will be claimed before this one."""
        rows = self._database.tables.executions.values()
        others = (row.execution for row in rows if row.tenant == tenant)
        waiting = (other for other in others if other.state is ExecutionState.WAITING)
        return _count(other for other in waiting if _turn(other) < _turn(execution))

    def ended(self, times: Sequence[datetime], limit: int) -> Sequence[Sequence[EndedJob]]:
        """Return the last jobs that ended between each two consecutive times."""
        newest = sorted(self._ended(), key=lambda job: job.ended_at, reverse=True)
        return [
            list(islice((job for job in newest if begin <= job.ended_at < end), limit))
            for begin, end in pairwise(times)
        ]

    def _ended(self) -> Iterator[EndedJob]:
        tables = self._database.tables
        for job in tables.jobs.values():
            row = None if job.current_execution_id is None else tables.executions[job.current_execution_id]
            if row is not None and row.execution.ended_at is not None:
                yield EndedJob(
                    status=job.status,
                    requested_at=row.execution.requested_at,
                    claimed_at=row.execution.claimed_at,
                    ended_at=row.execution.ended_at,
                )


def _turn(execution: Execution) -> tuple[int, datetime, ExecutionId]:
    return -execution.priority, execution.requested_at, execution.id


def _count(things: Iterable[object]) -> int:
    return sum(1 for _ in islice(things, COUNTED_UP_TO + 1))
