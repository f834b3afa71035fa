"""The port to stored jobs."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from datetime import datetime

from application.errors import CorruptRow, NotFound
from domain.job import Job
from domain.job_lifecycle import Reason
from domain.project import Project
from domain.values import ExecutionId, JobId


class JobRepository(ABC):
    """The jobs, as the transaction sees them."""

    @abstractmethod
    def add(self, job: Job) -> None:
        """Store a new job; one that is stored already stays as it is, for a transaction may run again."""

    @abstractmethod
    def get(self, job_id: JobId) -> Job | None:
        """Return a job, or None if there is none of that id.

        Raises:
            CorruptRow: It is there, in a form that cannot be read.
        """

    @abstractmethod
    def get_all(self, job_ids: Collection[JobId]) -> Mapping[JobId, Job | CorruptRow]:
        """Return the jobs that there are by their ids, an error in the place of one that cannot be read."""

    @abstractmethod
    def get_with_project(self, job_id: JobId) -> tuple[Job, Project] | None:
        """Return a job and its project, or None if there is no job of that id.

        Raises:
            CorruptRow: It is there, in a form that cannot be read.
        """

    def get_with_project_or_raise(self, job_id: JobId) -> tuple[Job, Project]:
        """Return a job and its project, in any status of the project.

        Raises:
            NotFound: There is no such job.
            CorruptRow: It is there, in a form that cannot be read.
        """
        found = self.get_with_project(job_id)
        if found is None:
            raise NotFound("job", job_id)
        return found

    @abstractmethod
    def fail(self, job_id: JobId, execution_id: ExecutionId, reason: Reason, now: datetime) -> bool:
        """End a job as FAILED without reading it; return whether this was its running execution."""

    @abstractmethod
    def replace(self, before: Job, after: Job) -> None:
        """Store a changed job, if the stored one is still as it was read.

        Raises:
            ConcurrencyConflict: Its status or its current execution is no longer that of `before`.
        """
