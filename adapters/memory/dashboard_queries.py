from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice, pairwise

from adapters.memory.database import MemoryDatabase
from application.ports.dashboard_queries import (
    COUNTED_UP_TO,
    DashboardQueries,
    EndedJob,
    ProjectActivity,
    QueueState,
)
from domain.execution import Execution
from domain.job_lifecycle import JobStatus
from domain.values import ExecutionId, ProjectId


class MemoryDashboardQueries(DashboardQueries):
    """Counts what is committed."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def activity(self, project_id: ProjectId, times: Sequence[datetime]) -> ProjectActivity:
        """Return what is in a project."""
        found = [job for job in self._database.tables.jobs.values() if job.project_id == project_id]
        return ProjectActivity(
            counts={status: _count(job for job in found if job.status is status) for status in JobStatus},
            recent=[
                _count(job for job in found if begin <= job.created_at < end)
                for begin, end in pairwise(times)
            ],
        )

    def queue(self) -> QueueState:
        """Return how long the queue is."""
        rows = self._database.tables.executions.values()
        waiting = [row.execution.requested_at for row in rows if row.is_waiting]
        return QueueState(
            waiting=_count(waiting),
            claimed=_count(row for row in rows if row.is_claimed),
            oldest_waits_since=min(waiting, default=None),
        )

    def executions_ahead(self, execution: Execution) -> int:
        """Return how many waiting executions will be claimed before this waiting one."""
        waiting = (row.execution for row in self._database.tables.executions.values() if row.is_waiting)
        return _count(other for other in waiting if _turn(other) < _turn(execution))

    def ended(self, since: datetime, limit: int) -> Sequence[EndedJob]:
        """Return the newest jobs that ran and ended."""
        tables = self._database.tables
        found = sorted(
            (job for job in tables.jobs.values() if job.created_at >= since),
            key=lambda job: (job.created_at, job.id),
            reverse=True,
        )
        ended = (
            EndedJob(
                status=job.status,
                requested_at=execution.requested_at,
                claimed_at=execution.claimed_at,
                completed_at=job.completed_at,
            )
            for job in found
            if job.completed_at is not None and job.current_execution_id is not None
            for execution in [tables.executions[job.current_execution_id].execution]
        )
        return list(islice(ended, limit))


def _turn(execution: Execution) -> tuple[int, datetime, ExecutionId]:
    return -execution.priority, execution.requested_at, execution.id


def _count(things: Iterable[object]) -> int:
    return sum(1 for _ in islice(things, COUNTED_UP_TO))
