"""The port to the statistics of the dashboard."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.execution import Execution
from domain.job_lifecycle import JobStatus, Phase, State, phase_of
from domain.tenant import TenantName
from domain.values import JobId, ProjectId

# Counts are exact up to this number. A count stops at one more, so that queries do not get slower with more
# jobs.
COUNTED_UP_TO = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectActivity:
    """The numbers of a project's jobs.

    Attributes:
        counts: How many jobs are in each state.
        recent: How many jobs were created between each two of the requested times.
    """

    counts: Mapping[State, int]
    recent: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """How many executions are waiting and claimed, and since when the oldest waits."""

    waiting: int
    claimed: int
    oldest_waits_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedJob:
    """A job whose execution is waiting, or is held by a worker or an engine.

    Attributes:
        project: The project's name.
        language: The language's name.
        queue: The name of the queue of the runtime that it waits for, as far as known.
        delayed_until: When its delay ends; None unless it is delayed.
        deferred_since: Since when its engine has been unable to start it.
    """

    job_id: JobId
    tenant: TenantName
    project_id: ProjectId
    project: str
    language: str
    queue: str
    requested_at: datetime
    delayed_until: datetime | None = None
    deferred_since: datetime | None = None
    claimed_by: str | None = None
    building_at: datetime | None = None
    started_at: datetime | None = None

    @property
    def phase(self) -> Phase:
        """Its phase."""
        return phase_of(JobStatus.RUNNING, self.building_at, self.started_at)

    @property
    def since(self) -> datetime:
        """When its phase began."""
        return self.started_at or self.building_at or self.requested_at


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedJob:
    """When a job's execution was requested and claimed, and when the job ended."""

    status: JobStatus
    requested_at: datetime
    claimed_at: datetime | None
    ended_at: datetime


class DashboardQueries(ABC):
    """Statistics for the dashboard. Every count stops at one more than COUNTED_UP_TO.

    Every method raises DependencyUnavailable if the database is unavailable.
    """

    @abstractmethod
    def activity(self, project_id: ProjectId, times: Sequence[datetime]) -> ProjectActivity:
        """Return the activity of a project; the times are ascending."""

    @abstractmethod
    def queue(self) -> QueueState:
        """Return the length of the queue of all tenants, including executions that their engine refused."""

    @abstractmethod
    def claimed(self) -> int:
        """Return how many executions of all tenants are claimed."""

    @abstractmethod
    def waiting_tenants(self) -> Sequence[TenantName]:
        """Return tenants with waiting or delayed executions, at most fifty."""

    @abstractmethod
    def waiting(self, tenant: TenantName, limit: int) -> Sequence[QueuedJob]:
        """Return up to `limit` jobs of a tenant that wait, in the order of claims, then delayed ones."""

    @abstractmethod
    def running(self, tenant: TenantName | None, limit: int) -> Sequence[QueuedJob]:
        """Return up to `limit` jobs of a tenant, or of all tenants, that workers or engines hold."""

    @abstractmethod
    def executions_ahead(self, tenant: TenantName, execution: Execution) -> int:
        """Return how many waiting executions of the tenant will be claimed before this waiting one."""

    @abstractmethod
    def ended(self, times: Sequence[datetime], limit: int) -> Sequence[Sequence[EndedJob]]:
        """Return the executed jobs that ended between each two of the times, which are ascending.

        Each interval has the last jobs that ended in it, at most `limit`.
        """
