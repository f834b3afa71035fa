"""What is seen at a glance, from indexes alone and never further than a bound."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from adapters.sql.engine import read_only
from adapters.sql.mapping import ExecutionState
from adapters.sql.retrying import Attempts
from adapters.sql.tables import executions, jobs
from application.ports.dashboard_queries import (
    COUNTED_UP_TO,
    DashboardQueries,
    EndedJob,
    ProjectActivity,
    QueueState,
)
from domain.execution import Execution
from domain.job_lifecycle import JobStatus
from domain.submission import MAX_PRIORITY
from domain.values import ProjectId

_waits = executions.c.state == ExecutionState.WAITING.value


def _count(source: sa.FromClause, *conditions: sa.ColumnElement[bool]) -> sa.Select[int]:
    """Count rows up to the bound: each condition is a range of one index."""
    bounded = (
        sa.select(sa.literal(1).label("one")).select_from(source).where(*conditions).limit(COUNTED_UP_TO)
    )
    return sa.select(sa.func.count().label("number")).select_from(bounded.subquery())


@cache
def _activity(hours: int) -> sa.CompoundSelect[int, int]:
    """Count a project's jobs of each status, then those of each hour; kept, for building it takes longest."""
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


_QUEUE = sa.select(executions.c.requested_at).where(_waits).limit(COUNTED_UP_TO)
_CLAIMED = _count(executions, executions.c.state == ExecutionState.CLAIMED.value)
_is_as_urgent = executions.c.precedence == sa.bindparam("precedence")
_MORE_URGENT = _count(executions, _waits, executions.c.precedence < sa.bindparam("precedence"))
_AS_URGENT_AND_OLDER = _count(
    executions,
    _waits,
    _is_as_urgent,
    executions.c.requested_at <= sa.bindparam("requested_at"),
    sa.or_(
        executions.c.requested_at < sa.bindparam("requested_at"),
        executions.c.execution_id < sa.bindparam("id"),
    ),
)
_ENDED = (
    sa.select(jobs.c.status, executions.c.requested_at, executions.c.claimed_at, jobs.c.completed_at)
    .join_from(jobs, executions, executions.c.execution_id == jobs.c.current_execution_id)
    .where(jobs.c.created_at >= sa.bindparam("since"), jobs.c.completed_at.is_not(None))
    .order_by(jobs.c.created_at.desc(), jobs.c.job_id.desc())
    .limit(sa.bindparam("limit"))
)


class SqlDashboardQueries(DashboardQueries):
    """Counts that take as long whatever the number of jobs."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = read_only(engine)
        self._attempts = Attempts()

    def activity(self, project_id: ProjectId, times: Sequence[datetime]) -> ProjectActivity:
        """Return what is in a project."""
        hours = max(len(times) - 1, 0)
        bounds = {
            name: time
            for hour, (begin, end) in enumerate(pairwise(times))
            for name, time in ((f"from_{hour}", begin), (f"until_{hour}", end))
        }
        counts = [row[1] for row in self._rows(_activity(hours), {"project_id": project_id, **bounds})]
        return ProjectActivity(
            counts=dict(zip(JobStatus, counts, strict=False)), recent=counts[len(JobStatus) :]
        )

    def queue(self) -> QueueState:
        """Return how long the queue is."""
        waiting = [row[0] for row in self._rows(_QUEUE, {})]
        return QueueState(
            waiting=len(waiting),
            claimed=self._count(_CLAIMED, {}),
            oldest_waits_since=min(waiting, default=None),
        )

    def executions_ahead(self, execution: Execution) -> int:
        """Return how many waiting executions will be claimed before this waiting one."""
        place = {
            "precedence": MAX_PRIORITY - execution.priority,
            "requested_at": execution.requested_at,
            "id": execution.id,
        }
        ahead = [self._count(count, place) for count in (_MORE_URGENT, _AS_URGENT_AND_OLDER)]
        return min(sum(ahead), COUNTED_UP_TO)

    def ended(self, since: datetime, limit: int) -> Sequence[EndedJob]:
        """Return the newest jobs that ran and ended."""
        return [
            EndedJob(
                status=JobStatus(status),
                requested_at=requested_at,
                claimed_at=claimed_at,
                completed_at=completed_at,
            )
            for status, requested_at, claimed_at, completed_at in self._rows(
                _ENDED, {"since": since, "limit": limit}
            )
        ]

    def _count(self, statement: sa.Select[int], parameters: Mapping[str, object]) -> int:
        count: int = self._rows(statement, parameters)[0][0]
        return count

    def _rows(self, statement: sa.Executable, parameters: Mapping[str, object]) -> Sequence[Any]:
        def read() -> Sequence[Any]:
            with self._engine.connect() as connection:
                return connection.execute(statement, parameters).all()

        return self._attempts(read)
