"""The port to the removal of jobs: purges, and the objects that removed jobs leave."""

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

# The results of so many cases take about as long to be removed as a job.
CASES_OF_A_JOB = 20


class StoreName(StrEnum):
    """The object stores that a job has objects in."""

    CODE = "code"
    LOG = "log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """The removal of everything in a project, or in a whole tenant, that is under way.

    Attributes:
        project_id: None for all that is the tenant's.
        project: The project's name, for records; empty for a tenant.
        requested_by: The principal that asked for it.
        removed_jobs: The number of jobs that are removed so far.
        freed_bytes: The stored bytes of their tenant that went with them.
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
    """The jobs of a batch whose rows are removed, their executions, and the stored bytes of all of them.

    Attributes:
        cases: The number of their results of cases that are removed, as far as these have a limit.
    """

    jobs: Sequence[JobId]
    executions: Sequence[ExecutionId]
    freed_bytes: int
    cases: int = 0

    @property
    def is_slice(self) -> bool:
        """Whether results of cases were removed in place of jobs, which are to follow."""
        return bool(self.cases) and not self.jobs


@dataclass(frozen=True, slots=True)
class UnusedBlobs:
    """The outcome of a removal of blobs that nothing referred to.

    Attributes:
        is_all: Whether no more were due.
        freed_bytes: The stored bytes of the ones that are removed, by their tenants.
    """

    is_all: bool
    freed_bytes: Mapping[TenantName, int]


@dataclass(frozen=True, slots=True)
class PendingDeletion:
    """An object of a removed job that is still in its store.

    Attributes:
        digest: Identity of store and key.
        is_shared: Whether an execution of a job that is not removed names it: then it stays in its store.
    """

    digest: str
    store: StoreName
    key: ObjectKey
    is_shared: bool = False


class PurgeRepository(ABC):
    """Purges, and the keys of the objects to be deleted.

    The rows of a job go in one transaction, in which the keys of its objects are noted: so a job is there
    with all that it has, or is gone, and after a crash the notes show the objects that are left.
    """

    @abstractmethod
    def add(self, purge: Purge) -> None:
        """Note that a project or a tenant is to be emptied; one that is noted already stays as it is."""

    @abstractmethod
    def take(self, worker: str, idle_s: float) -> Purge | None:
        """Return the oldest purge that has jobs left, for one process only.

        It is this worker's own, or one that none has worked on for so long.
        """

    @abstractmethod
    def running_jobs(self, purge: Purge, limit: int) -> Sequence[JobId]:
        """Return RUNNING jobs that a purge is to remove."""

    @abstractmethod
    def remove_jobs(self, purge: Purge, limit: int, case_limit: int | None = None) -> Removed:
        """Remove the rows of the next jobs of a purge that are not RUNNING.

        With none left, the purge has been emptied, and `take` returns it no more.

        Args:
            purge: The purge.
            limit: Of so many jobs at most.
            case_limit: If these jobs have as many results of cases, so many of these are removed, and no job.
        """

    @abstractmethod
    def remove_job(self, job: Job) -> Removed:
        """Remove the rows of a job that has ended."""

    @abstractmethod
    def finish_next(self, requested_before: datetime) -> Purge | None:
        """Remove a purge that has neither jobs nor objects left, with its projects; return it.

        A tenant's is one that was requested before that time: for some seconds, processes take its callers
        for ones of an active tenant.
        """

    @abstractmethod
    def has_work(self) -> bool:
        """Return whether there is a purge, or an object to be deleted. Cheap: asked every other second."""

    @abstractmethod
    def take_deletions(self, idle_s: float, limit: int) -> Sequence[PendingDeletion]:
        """Return the oldest deletions that no process took within the last `idle_s`, and take them."""

    @abstractmethod
    def forget_deletions(self, digests: Collection[str]) -> None:
        """Remove the notes of objects that are deleted."""

    @abstractmethod
    def remove_unused_blobs(self, idle_s: float, limit: int) -> UnusedBlobs:
        """Remove the records of so many blobs that nothing has referred to for so long.

        Their objects are noted to be deleted.
        """

    @abstractmethod
    def delete_object(self, store: StoreName, key: ObjectKey) -> None:
        """Note the key of an object to be deleted that belongs to no job."""
