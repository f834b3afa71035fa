"""The port to retention: its policies, and the rows that are due by them."""

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

# The beginning of the names of walks that go by policies.
LOG_WALKS = "logs "


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The policies of all tenants and projects that have one.

    The figure that counts is the project's, else its tenant's, else the service's.

    Attributes:
        default: The service's.
    """

    default: Retention = NO_RETENTION
    of_tenants: Mapping[TenantName, Retention] = field(default_factory=dict)
    of_projects: Mapping[ProjectId, Retention] = field(default_factory=dict)

    def of(self, tenant: TenantName, project: ProjectId | None = None) -> Retention:
        """Return the policy in force for a project, or for a tenant."""
        of_tenant = self.of_tenants.get(tenant, NO_RETENTION).over(self.default)
        return of_tenant if project is None else self.of_projects.get(project, NO_RETENTION).over(of_tenant)

    def figures(self, name: str) -> frozenset[float | str]:
        """Return all values that a figure has."""
        all_policies = (self.default, *self.of_tenants.values(), *self.of_projects.values())
        return frozenset(days for each in all_policies if (days := each.figures().get(name)) is not None)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in rows that are in the order of a time: after the row of that time and id."""

    at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class WalkedJobs:
    """Some jobs in the order of their creation.

    Attributes:
        due: The ones that are to be removed.
        last: The place of the last one that was looked at; None if there are no more.
    """

    due: Sequence[JobId]
    last: Place | None


@dataclass(frozen=True, slots=True)
class EndedExecution:
    """An execution that has ended, and its owners.

    Attributes:
        place: Its place in the order of ends.
        has_log: Whether it names a log.
    """

    id: ExecutionId
    place: Place
    tenant: TenantName
    project: ProjectId
    has_log: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRows:
    """The number of rows that are due, and the bytes and rows of an average one.

    Attributes:
        jobs: Jobs that are due.
        sampled: Jobs that were looked at for the averages.
        code_bytes: Bytes of their code.
        executions: Executions of these.
        logs: Logs of these.
        log_bytes: Bytes of these logs.
        tags: Tags of these.
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

    Rows that are due are looked for without a lock; then they are removed in transactions of their own, which
    look at each again. Rows that another process has locked are left to it.
    """

    @abstractmethod
    def policies(
        self, default: Retention, tenant: TenantName | None = None, project: ProjectId | None = None
    ) -> Policies:
        """Return all policies; of a tenant its own alone, with that of one of its projects."""

    @abstractmethod
    def put(self, tenant: TenantName, project: ProjectId | None, policy: Retention) -> None:
        """Set the policy of a tenant, or of one of its projects; an empty one is none.

        The marks of walks are removed: rows that they passed over may be due now.
        """

    @abstractmethod
    def projects(self, after: ProjectId, limit: int) -> Sequence[tuple[ProjectId, TenantName]]:
        """Return projects of any tenant and status, by their ids, that follow one."""

    @abstractmethod
    def with_jobs(
        self, projects: Collection[ProjectId], status: JobStatus, before: datetime
    ) -> Sequence[ProjectId]:
        """Return the projects that have jobs of a status from before a time."""

    @abstractmethod
    def walk_jobs(
        self, project: ProjectId, status: JobStatus, before: datetime, after: Place | None, limit: int
    ) -> WalkedJobs:
        """Look at jobs of a status that were created before a time, the oldest first.

        The ones that ended before that time too are due; of PENDING ones, all are.
        """

    @abstractmethod
    def remove_jobs(
        self, ids: Sequence[JobId], status: JobStatus, before: datetime, case_limit: int | None = None
    ) -> Removed:
        """Remove jobs with all that they have, as far as they are still due; note their objects.

        If they have as many results of cases as `case_limit`, so many of these are removed, and no job.
        """

    @abstractmethod
    def mark(self, name: str) -> datetime | None:
        """Return the time up to which a walk has come, and note that there is such a walk.

        None at its beginning.
        """

    @abstractmethod
    def set_mark(self, name: str, at: datetime) -> bool:
        """Note how far a walk has come; return False if its mark was removed meanwhile."""

    @abstractmethod
    def take_turn(self, name: str, now: datetime, every_s: float) -> bool:
        """Return True to one of all processes, once in so many seconds."""

    @abstractmethod
    def ended_executions(self, after: Place | None, before: datetime, limit: int) -> Sequence[EndedExecution]:
        """Return executions that ended before a time, in the order of their ends."""

    @abstractmethod
    def remove_logs(self, ids: Sequence[ExecutionId]) -> int:
        """Have executions name no log any more, and note the logs to be deleted; return their bytes."""

    @abstractmethod
    def forget_usage(self, tenant: TenantName, before: datetime, limit: int) -> int:
        """Remove sums of a tenant's usage of days before a time, so many at most; return how many."""

    @abstractmethod
    def unowned(
        self, store: StoreName, keys: Collection[ObjectKey], *, lock: bool = False
    ) -> Sequence[ObjectKey]:
        """Return the keys of objects that this service made and that no row refers to.

        Args:
            store: Their store.
            keys: Keys, of others' objects too.
            lock: Whether to wait for transactions that are about to commit such rows.
        """

    @abstractmethod
    def due_rows(
        self, project: ProjectId, status: JobStatus, before: datetime, most: int, sample: int
    ) -> DueRows:
        """Count jobs of a status that were created before a time, up to a bound, and sum up a sample."""
