from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from application.errors import NotFound
from application.ports.dashboard_queries import COUNTED_UP_TO, DashboardQueries
from application.ports.execution_engine import EngineDescription, ExecutionEngine
from application.ports.job_queries import JobQueries
from application.timeline import Entry, entries_of
from application.views import JobDetails
from domain.execution import Execution
from domain.job_lifecycle import JobStatus, Phase, phase_of
from domain.values import JobId


class Awaited(StrEnum):
    """What a job that has not ended waits for; one whose program runs waits for nothing."""

    EXECUTE = "execute"
    WORKER = "worker"
    ENGINE = "engine"
    BUILD = "build"
    REPORT = "report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What a job waits for.

    Attributes:
        place: Its place in the queue, if it is in it: 1 is next. None also if it is too far back to count.
        behind_more_than: So many are counted ahead of it, and there are more.
        since: Since when its engine has not been able to start it.
    """

    awaited: Awaited
    place: int | None = None
    behind_more_than: int | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Why a job stands where it stands."""

    details: JobDetails
    entries: tuple[Entry, ...]
    engine: EngineDescription
    waiting: Waiting | None


_BY_PHASE = {
    Phase.WAITING: Waiting(awaited=Awaited.ENGINE),
    Phase.BUILDING: Waiting(awaited=Awaited.BUILD),
}


class GetTimeline:
    """Tell everything that happened to a job, and what it waits for."""

    def __init__(
        self, queries: JobQueries, dashboard_queries: DashboardQueries, engine: ExecutionEngine
    ) -> None:
        self._queries = queries
        self._dashboard_queries = dashboard_queries
        self._engine = engine

    def __call__(self, job_id: JobId) -> Timeline:
        """Return the job's timeline.

        Raises:
            NotFound: There is no such job.
        """
        details = self._queries.details(job_id)
        if details is None:
            raise NotFound("job", job_id)
        return Timeline(
            details=details,
            entries=entries_of(details),
            engine=self._engine.describe(),
            waiting=self._waiting(details),
        )

    def _waiting(self, details: JobDetails) -> Waiting | None:
        if details.job.status is JobStatus.PENDING:
            return Waiting(awaited=Awaited.EXECUTE)
        if details.job.status.is_terminal or not details.executions:
            return None
        execution = details.executions[-1]
        if execution.claimed_at is None:
            return self._in_queue(execution)
        if execution.is_delegated:
            return Waiting(awaited=Awaited.REPORT)
        return _BY_PHASE.get(phase_of(details.job.status, execution.building_at, execution.started_at))

    def _in_queue(self, execution: Execution) -> Waiting:
        if execution.deferred_since is not None:
            return Waiting(awaited=Awaited.ENGINE, since=execution.deferred_since)
        ahead = self._dashboard_queries.executions_ahead(execution)
        if ahead > COUNTED_UP_TO:
            return Waiting(awaited=Awaited.WORKER, behind_more_than=COUNTED_UP_TO)
        return Waiting(awaited=Awaited.WORKER, place=ahead + 1)
