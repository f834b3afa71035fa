"""The port to reads of jobs."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping

from application.views import FoundJobs, JobDetails, JobFilter, JobStatusView, JobVersion
from domain.values import JobId


class JobQueries(ABC):
    """Reads of jobs. Every method raises DependencyUnavailable without the database."""

    @abstractmethod
    def status(self, job_id: JobId) -> JobStatusView | None:
        """Return the status of a job, or None if there is none of that id."""

    @abstractmethod
    def details(self, job_id: JobId) -> JobDetails | None:
        """Return a job and its executions, or None if there is none of that id."""

    @abstractmethod
    def versions(self, job_ids: Collection[JobId]) -> Mapping[JobId, JobVersion]:
        """Return the versions of some jobs; unknown jobs are left out."""

    @abstractmethod
    def page(self, wanted: JobFilter) -> FoundJobs:
        """Return jobs, newest first, and of the same time in the descending order of their ids.

        A search that would read too much ends early, with the cursor for the next page.
        """
