"""The port to reads of jobs."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence

from application.views import Count, FoundJobs, JobDetails, JobFilter, JobStatusView, JobVersion, LogOwner
from domain.caller import Caller
from domain.values import JobId, ObjectKey, ProjectId


class JobQueries(ABC):
    """Reads of jobs. Every method raises DependencyUnavailable without the database."""

    @abstractmethod
    def status(self, caller: Caller, job_id: JobId) -> JobStatusView | None:
        """Return the status of a job, or None if the caller reaches none of that id."""

    @abstractmethod
    def details(self, caller: Caller, job_id: JobId) -> JobDetails | None:
        """Return a job and its executions, or None if the caller reaches none of that id."""

    @abstractmethod
    def versions(self, job_ids: Collection[JobId]) -> Mapping[JobId, JobVersion]:
        """Return the versions of some jobs of any tenant; unknown jobs are left out."""

    @abstractmethod
    def page(self, caller: Caller, wanted: JobFilter) -> FoundJobs:
        """Return jobs that the caller reaches, newest first, or oldest first by the filter.

        Of the same time they are in the descending order of their ids, or else in the ascending one.

        A search that would read too much ends early, with the cursor for the next page.
        """

    @abstractmethod
    def count(self, caller: Caller, wanted: JobFilter, up_to: int) -> Count:
        """Count the jobs that the caller reaches and that meet a filter, on all pages.

        No more than `up_to` are counted, and fewer where more would have to be read than for a page.
        """

    @abstractmethod
    def tag_names(
        self, caller: Caller, project_id: ProjectId | None, prefix: str, limit: int
    ) -> Sequence[str]:
        """Return names of tags that begin so, in order: of a project's jobs if one is given."""

    @abstractmethod
    def tag_values(
        self, caller: Caller, project_id: ProjectId | None, name: str, prefix: str, limit: int
    ) -> Sequence[str]:
        """Return values of the tags of a name that begin so, in order."""

    @abstractmethod
    def owners_of_log(self, log_key: ObjectKey) -> Collection[LogOwner]:
        """Return the jobs whose executions have a log of that key: at most one, but by an engine's fault.

        Raises:
            NotFound: The log is of a job that is deleted, of a purged project, or of a deleted tenant.
        """
