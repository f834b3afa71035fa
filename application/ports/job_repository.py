from abc import ABC, abstractmethod

from domain.job import Job
from domain.values import JobId


class JobRepository(ABC):
    """The jobs, as the transaction sees them."""

    @abstractmethod
    def add(self, job: Job) -> None:
        """Store a new job; one that is stored already stays as it is, for a transaction may run again."""

    @abstractmethod
    def get(self, job_id: JobId) -> Job | None:
        """Return a job, or None if there is none of that id."""

    @abstractmethod
    def replace(self, before: Job, after: Job) -> None:
        """Store what became of a job, if it still is as it was.

        Raises:
            Aborted: Its status or its current execution is no longer that of `before`.
        """
