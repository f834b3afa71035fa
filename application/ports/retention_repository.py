"""The port to retention: its policies, and the rows that they no longer keep."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from application.ports.purge_repository import Removed, StoreName
from domain.job_lifecycle import JobStatus
from domain.retention import NO_RETENTION, Retention
from domain.tenant import TenantName
from domain.values import ExecutionId, JobId, ObjectKey, ProjectId

# The prefix of the names of walks over logs.
LOG_WALKS = "logs "


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The policies of all tenants and projects that have one.

    The value in force is the project's; without one, the tenant's; without one, the service's.

    Attributes:
        default: The policy of the service.
    """

    default: Retention = NO_RETENTION
    of_tenants: Mapping[TenantName, Retention] = field(default_factory=dict)
    of_projects: Mapping[ProjectId, Retention] = field(default_factory=dict)

    def of(self, tenant: TenantName, project: ProjectId | None = None) -> Retention:
        """Return the policy in force for a project or a tenant."""
        of_tenant = self.of_tenants.get(tenant, NO_RETENTION).over(self.default)
        return of_tenant if project is None else self.of_projects.get(project, NO_RETENTION).over(of_tenant)

    def figures(self, name: str) -> frozenset[float | str]:
        """Return all values of a field in all policies."""
        all_policies = (self.default, *self.of_tenants.values(), *self.of_projects.values())
        return frozenset(days for each in all_policies if (days := each.figures().get(name)) is not None)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in rows sorted by time: after the row with that time and id."""

    at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class WalkedJobs:
    """Jobs in the order of their creation.

    Attributes:
        due: The jobs that have to be removed.
        last: The position of the last job examined; None if there are no more.
    """

    due: Sequence[JobId]
    last: Place | None


@dataclass(frozen=True, slots=True)
class EndedExecution:
    """An execution that has ended, and its owners.

    Attributes:
        place: Its position in the order of ends.
        has_log: Whether it names a log.
    """

    id: ExecutionId
    place: Place
    tenant: TenantName
    project: ProjectId
    has_log: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRows:
    """The number of jobs that are due, and a sample from which their rows and bytes are extrapolated.

    Attributes:
        jobs: How many jobs are due.
        sampled: How many jobs are in the sample.
        code_bytes: The size of the sampled jobs' code.
        executions: The number of their executions.
        logs: The number of their logs.
        log_bytes: The size of their logs.
        tags: The number of their tags.
    """

    jobs: int = 0
    sampled: int = 0
    code_bytes: int = 0
    executions: int = 0
    logs: int = 0
    log_bytes: int = 0
    tags: int = 0


class RetentionRepository(ABC):
    """Policies, and removals by age.

    Rows that are due are searched without a lock, and removed in separate transactions, which check each row
    again. Rows that another process has locked are left to it.
    """

    @abstractmethod
    def policies(
        self, default: Retention, tenant: TenantName | None = None, project: ProjectId | None = None
    ) -> Policies:
        """Return all policies; for a tenant, only its own and that of one of its projects."""

    @abstractmethod
    def put(self, tenant: TenantName, project: ProjectId | None, policy: Retention) -> None:
        """Set the policy of a tenant or of one of its projects; an empty policy removes it.

        The marks of walks are removed, because rows that they passed may be due now.
        """

    @abstractmethod
    def projects(self, after: ProjectId, limit: int) -> Sequence[tuple[ProjectId, TenantName]]:
        """Return projects of any tenant and status, sorted by id, after a given one."""

    @abstractmethod
    def with_jobs(
        self, projects: Collection[ProjectId], status: JobStatus, before: datetime
    ) -> Sequence[ProjectId]:
        """Return the projects that have jobs with a status that are older than a given time."""

    @abstractmethod
    def walk_jobs(
        self, project: ProjectId, status: JobStatus, before: datetime, after: Place | None, limit: int
    ) -> WalkedJobs:
        """Examine jobs with a status that were created before a time, oldest first.

        Jobs that also ended before that time are due; PENDING ones are always due.
        """

    @abstractmethod
    def remove_jobs(
        self, ids: Sequence[JobId], status: JobStatus, before: datetime, case_limit: int | None = None
    ) -> Removed:
        """Remove jobs with all of their data, if they are still due; record their objects for deletion.

        If they have at least `case_limit` case results, that many results are removed and no job.
        """

    @abstractmethod
    def mark(self, name: str) -> datetime | None:
        """Return the time up to which a walk has come, and record that the walk exists.

        Returns None at its beginning.
        """

    @abstractmethod
    def set_mark(self, name: str, at: datetime) -> bool:
        """Record how far a walk has come; return False if its mark was removed in the meantime."""

    @abstractmethod
    def take_turn(self, name: str, now: datetime, every_s: float) -> bool:
        """Return True to only one of all processes, once per `every_s` seconds."""

    @abstractmethod
    def ended_executions(self, after: Place | None, before: datetime, limit: int) -> Sequence[EndedExecution]:
        """Return executions that ended before a time, in the order of their ends."""

    @abstractmethod
    def remove_logs(self, ids: Sequence[ExecutionId]) -> int:
        """Remove the log keys of executions, and record the logs for deletion; return their size."""

    @abstractmethod
    def forget_usage(self, tenant: TenantName, before: datetime, limit: int) -> int:
        """Remove up to `limit` daily sums of a tenant's usage from before a time; return how many."""

    @abstractmethod
    def unowned(
        self, store: StoreName, keys: Collection[ObjectKey], *, lock: bool = False
    ) -> Sequence[ObjectKey]:
        """Return the keys of objects that this service created and that no row refers to.

        Args:
            store: Their store.
            keys: Object keys, possibly including those of other services.
            lock: Whether to wait for transactions that are about to commit such rows.
        """

    @abstractmethod
    def due_rows(
        self, project: ProjectId, status: JobStatus, before: datetime, most: int, sample: int
    ) -> DueRows:
        """Count jobs with a status that were created before a time, up to a bound, and sum up a sample."""
