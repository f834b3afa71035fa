"""The port to the statistics of the dashboard."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.execution import Execution
from domain.job_lifecycle import JobStatus, Phase, State, phase_of
from domain.tenant import TenantName
from domain.values import JobId, ProjectId

# Up to here counts are exact. No answer takes longer because there are more jobs: what is more than this is
# counted as one more, and no further.
COUNTED_UP_TO = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectActivity:
    """The jobs of a project in numbers.

    Attributes:
        counts: How many jobs are in each state.
        recent: How many jobs were made between each two of the times that were asked for.
    """

    counts: Mapping[State, int]
    recent: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """The number of executions that wait and that are claimed, and since when the oldest waits."""

    waiting: int
    claimed: int
    oldest_waits_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedJob:
    """A job whose execution waits, or that a worker or an engine has.

    Attributes:
        project: The project's name.
        language: The language's name.
        queue: The name of the queue of the runtime that it waits for, as far as that is known.
        delayed_until: When its delay ends; None unless it is delayed.
        deferred_since: Since when its engine has not been able to start it.
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
    """When a job was to be run, was taken up and ended."""

    status: JobStatus
    requested_at: datetime
    claimed_at: datetime | None
    ended_at: datetime


class DashboardQueries(ABC):
    """Statistics for the dashboard. Every count stops after COUNTED_UP_TO, at one more.

    Every method raises DependencyUnavailable without the database.
    """

    @abstractmethod
    def activity(self, project_id: ProjectId, times: Sequence[datetime]) -> ProjectActivity:
        """Return the activity of a project; the times are ascending."""

    @abstractmethod
    def queue(self) -> QueueState:
        """Return how long the queue of all tenants is."""

    @abstractmethod
    def claimed(self) -> int:
        """Return how many executions of all tenants are claimed."""

    @abstractmethod
    def waiting_tenants(self) -> Sequence[TenantName]:
        """Return the tenants with waiting or delayed executions, or fifty of them."""

    @abstractmethod
    def waiting(self, tenant: TenantName, limit: int) -> Sequence[QueuedJob]:
        """Return the jobs of a tenant that wait, in the order of claims, then delayed ones, up to a limit."""

    @abstractmethod
    def running(self, tenant: TenantName | None, limit: int) -> Sequence[QueuedJob]:
        """Return the jobs of a tenant that workers or engines have, or of all tenants, up to a limit."""

    @abstractmethod
    def executions_ahead(self, tenant: TenantName, execution: Execution) -> int:
        """Return how many waiting executions of its tenant will be claimed before this waiting one."""

    @abstractmethod
    def ended(self, times: Sequence[datetime], limit: int) -> Sequence[Sequence[EndedJob]]:
        """Return the jobs that were run and ended between each two of the times, which are ascending.

        Between two times these are the last ones, and no more than the limit.
        """
