"""The port to the statistics of the dashboard."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.execution import Execution
from domain.job_lifecycle import JobStatus, State
from domain.tenant import TenantName
from domain.values import ProjectId

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
    def executions_ahead(self, tenant: TenantName, execution: Execution) -> int:
        """Return how many waiting executions of its tenant will be claimed before this waiting one."""

    @abstractmethod
    def ended(self, times: Sequence[datetime], limit: int) -> Sequence[Sequence[EndedJob]]:
        """Return the jobs that were run and ended between each two of the times, which are ascending.

        Between two times these are the last ones, and no more than the limit.
        """
