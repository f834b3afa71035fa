"""The port to stored jobs."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from application.errors import CorruptRow, NotFound
from domain.caller import Caller
from domain.job import Job
from domain.job_lifecycle import Reason
from domain.project import Project
from domain.values import ExecutionId, JobId


class JobRepository(ABC):
    """The jobs, as the transaction sees them. A caller can access only its tenant's or its project's jobs."""

    @abstractmethod
    def add(self, job: Job) -> None:
        """Store a new job; do nothing if it is already stored, because a transaction may run again."""

    @abstractmethod
    def add_all(self, jobs: Sequence[Job]) -> None:
        """Store new jobs, as `add` does, in few statements."""

    @abstractmethod
    def reruns(self, job_id: JobId, limit: int) -> Sequence[JobId]:
        """Return up to `limit` jobs that rerun a job, latest first.

        They belong to the job's tenant and project, so every caller that can access the job can access them.
        """

    @abstractmethod
    def get_of_any_tenant(self, job_id: JobId) -> Job | None:
        """Return a job for the service's own work, or None if there is none with that id.

        Raises:
            CorruptRow: The job exists but cannot be read.
        """

    @abstractmethod
    def get_all_of_any_tenant(self, job_ids: Collection[JobId]) -> Mapping[JobId, Job | CorruptRow]:
        """Return the existing jobs among the given ids, for the service's own work.

        A job that cannot be read is represented by an error.
        """

    @abstractmethod
    def get_with_project(self, caller: Caller, job_id: JobId) -> tuple[Job, Project] | None:
        """Return a job and its project, or None if the caller can access no job with that id.

        Raises:
            CorruptRow: The job exists but cannot be read.
        """

    def get_with_project_or_raise(self, caller: Caller, job_id: JobId) -> tuple[Job, Project]:
        """Return a job and its project, in any status of the project.

        Raises:
            NotFound: There is no such job, or the caller cannot access it.
            CorruptRow: The job exists but cannot be read.
        """
        found = self.get_with_project(caller, job_id)
        if found is None:
            raise NotFound("job", job_id)
        return found

    @abstractmethod
    def fail(self, job_id: JobId, execution_id: ExecutionId, reason: Reason, now: datetime) -> bool:
        """End a job as FAILED without reading it; return whether `execution_id` was its running execution."""

    @abstractmethod
    def replace_tags(self, before: Job, after: Job) -> None:
        """Store a job's new tags, if the stored job has not changed since it was read.

        Raises:
            ConcurrencyConflict: It has changed.
        """

    @abstractmethod
    def replace(self, before: Job, after: Job) -> None:
        """Store a changed job, if the stored job has not changed since it was read.

        Raises:
            ConcurrencyConflict: Its status or its current execution differs from `before`.
        """
