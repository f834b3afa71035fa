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
    """The jobs, as the transaction sees them. A caller reaches its tenant's, or one project's, alone."""

    @abstractmethod
    def add(self, job: Job) -> None:
        """Store a new job; one that is stored already stays as it is, for a transaction may run again."""

    @abstractmethod
    def add_all(self, jobs: Sequence[Job]) -> None:
        """Store new jobs, as `add` does, in few statements."""

    @abstractmethod
    def reruns(self, job_id: JobId, limit: int) -> Sequence[JobId]:
        """Return the jobs that run a job again, the latest first, so many at most.

        They are of the job's tenant and project, and so within the reach of each caller that reaches it.
        """

    @abstractmethod
    def get_of_any_tenant(self, job_id: JobId) -> Job | None:
        """Return a job for the service's own work, or None if there is none of that id.

        Raises:
            CorruptRow: It is there, in a form that cannot be read.
        """

    @abstractmethod
    def get_all_of_any_tenant(self, job_ids: Collection[JobId]) -> Mapping[JobId, Job | CorruptRow]:
        """Return the jobs that there are by their ids, for the service's own work.

        In the place of one that cannot be read is an error.
        """

    @abstractmethod
    def get_with_project(self, caller: Caller, job_id: JobId) -> tuple[Job, Project] | None:
        """Return a job and its project, or None if the caller reaches no job of that id.

        Raises:
            CorruptRow: It is there, in a form that cannot be read.
        """

    def get_with_project_or_raise(self, caller: Caller, job_id: JobId) -> tuple[Job, Project]:
        """Return a job and its project, in any status of the project.

        Raises:
            NotFound: The caller reaches no such job.
            CorruptRow: It is there, in a form that cannot be read.
        """
        found = self.get_with_project(caller, job_id)
        if found is None:
            raise NotFound("job", job_id)
        return found

    @abstractmethod
    def fail(self, job_id: JobId, execution_id: ExecutionId, reason: Reason, now: datetime) -> bool:
        """End a job as FAILED without reading it; return whether this was its running execution."""

    @abstractmethod
    def replace_tags(self, before: Job, after: Job) -> None:
        """Store a job's new tags, if the stored one is still as it was read.

        Raises:
            ConcurrencyConflict: It has changed since.
        """

    @abstractmethod
    def replace(self, before: Job, after: Job) -> None:
        """Store a changed job, if the stored one is still as it was read.

        Raises:
            ConcurrencyConflict: Its status or its current execution is no longer that of `before`.
        """
