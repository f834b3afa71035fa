"""The port to the removal of jobs: purges, and the objects of removed jobs."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.job import Job
from domain.project import Project
from domain.tenant import TenantName
from domain.values import ExecutionId, JobId, ObjectKey, ProjectId

# Removing the results of this many cases takes about as long as removing a job.
CASES_OF_A_JOB = 20


class StoreName(StrEnum):
    """The object stores that hold objects of jobs."""

    CODE = "code"
    LOG = "log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """The ongoing removal of all data of a project or a tenant.

    Attributes:
        project_id: The project; None for the whole tenant.
        project: The project's name, for records; empty for a tenant.
        requested_by: The principal that requested it.
        removed_jobs: The number of jobs removed so far.
        freed_bytes: The stored bytes freed so far.
    """

    id: UUID
    tenant: TenantName
    project_id: ProjectId | None = None
    project: str = ""
    requested_at: datetime
    requested_by: str
    removed_jobs: int = 0
    freed_bytes: int = 0

    def __str__(self) -> str:
        return f"tenant '{self.tenant}'" if self.project_id is None else f"project '{self.project}'"


def purge_of_project(purge_id: UUID, project: Project, requested_by: str, now: datetime) -> Purge:
    """Return the purge of a project."""
    return Purge(
        id=purge_id,
        tenant=project.tenant,
        project_id=project.id,
        project=project.name.value,
        requested_at=now,
        requested_by=requested_by,
    )


@dataclass(frozen=True, slots=True)
class Removed:
    """The jobs of a batch whose rows are removed, their executions, and the freed bytes.

    Attributes:
        cases: The number of removed case results, if that number was limited.
    """

    jobs: Sequence[JobId]
    executions: Sequence[ExecutionId]
    freed_bytes: int
    cases: int = 0

    @property
    def is_slice(self) -> bool:
        """Whether only results of cases were removed, and the jobs are still to be removed."""
        return bool(self.cases) and not self.jobs


@dataclass(frozen=True, slots=True)
class UnusedBlobs:
    """The outcome of a removal of blobs without references.

    Attributes:
        is_all: Whether no more blobs were due.
        freed_bytes: The freed bytes by tenant.
    """

    is_all: bool
    freed_bytes: Mapping[TenantName, int]


@dataclass(frozen=True, slots=True)
class PendingDeletion:
    """An object of a removed job that is still in its store.

    Attributes:
        digest: A digest that identifies store and key.
        is_shared: Whether an execution of an existing job names the object, so that it must stay in its
            store.
    """

    digest: str
    store: StoreName
    key: ObjectKey
    is_shared: bool = False


class PurgeRepository(ABC):
    """Purges, and the keys of objects to be deleted.

    All rows of a job are removed in one transaction, which also records the keys of its objects. A job
    therefore exists completely or not at all, and after a crash the recorded keys identify the remaining
    objects.
    """

    @abstractmethod
    def add(self, purge: Purge) -> None:
        """Record that a project or a tenant has to be purged; do nothing if that is already recorded."""

    @abstractmethod
    def take(self, worker: str, idle_s: float) -> Purge | None:
        """Reserve the oldest purge that has jobs left for this worker, and return it.

        It is this worker's own purge, or one without progress for `idle_s`.
        """

    @abstractmethod
    def running_jobs(self, purge: Purge, limit: int) -> Sequence[JobId]:
        """Return RUNNING jobs that a purge has to remove."""

    @abstractmethod
    def remove_jobs(self, purge: Purge, limit: int, case_limit: int | None = None) -> Removed:
        """Remove the rows of the next jobs of a purge that are not RUNNING.

        If none is left, the purge is marked as empty, and `take` no longer returns it.

        Args:
            purge: The purge.
            limit: The maximum number of jobs.
            case_limit: If the jobs have at least this many case results, this many results are removed and no
                job.
        """

    @abstractmethod
    def remove_job(self, job: Job) -> Removed:
        """Remove the rows of a job that has ended."""

    @abstractmethod
    def finish_next(self, requested_before: datetime) -> Purge | None:
        """Remove a purge without remaining jobs and objects, together with its projects; return it.

        A tenant's purge is finished only if it was requested before the given time, because processes still
        accept the tenant's callers for some seconds.
        """

    @abstractmethod
    def has_work(self) -> bool:
        """Return whether there is a purge or an object to delete. Cheap: called every other second."""

    @abstractmethod
    def take_deletions(self, idle_s: float, limit: int) -> Sequence[PendingDeletion]:
        """Reserve and return the oldest deletions that no process reserved within the last `idle_s`."""

    @abstractmethod
    def forget_deletions(self, digests: Collection[str]) -> None:
        """Remove the records of objects that are deleted."""

    @abstractmethod
    def remove_unused_blobs(self, idle_s: float, limit: int) -> UnusedBlobs:
        """Remove the records of up to `limit` blobs that have had no reference for `idle_s`.

        Their objects are recorded for deletion.
        """

    @abstractmethod
    def delete_object(self, store: StoreName, key: ObjectKey) -> None:
        """Schedule the deletion of an object that belongs to no job."""
