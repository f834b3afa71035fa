"""The port to reads of jobs."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence

from application.lists import Count, FoundJobs, JobFilter
from application.views import JobDetails, JobStatusView, JobVersion, LogOwner
from domain.caller import Caller
from domain.values import JobId, ObjectKey, ProjectId


class JobQueries(ABC):
    """Reads of jobs. Every method raises DependencyUnavailable if the database is unavailable."""

    @abstractmethod
    def status(self, caller: Caller, job_id: JobId) -> JobStatusView | None:
        """Return the status of a job, or None if the caller can access none with that id."""

    @abstractmethod
    def details(self, caller: Caller, job_id: JobId) -> JobDetails | None:
        """Return a job and its executions, or None if the caller can access none with that id."""

    @abstractmethod
    def versions(self, job_ids: Collection[JobId]) -> Mapping[JobId, JobVersion]:
        """Return the versions of jobs of any tenant; unknown jobs are omitted."""

    @abstractmethod
    def page(self, caller: Caller, wanted: JobFilter) -> FoundJobs:
        """Return jobs that the caller can access, newest first or, if the filter requests it, oldest first.

        Jobs with equal times are sorted by id, descending if newest first, else ascending.

        A search that would read too much ends early, with the cursor for the next page.
        """

    @abstractmethod
    def count(self, caller: Caller, wanted: JobFilter, up_to: int) -> Count:
        """Count the jobs that the caller can access and that match a filter, on all pages.

        At most `up_to` are counted, and fewer if the count would have to read more than a page does.
        """

    @abstractmethod
    def tag_names(
        self, caller: Caller, project_id: ProjectId | None, prefix: str, limit: int
    ) -> Sequence[str]:
        """Return tag names with a prefix, sorted, optionally of one project's jobs."""

    @abstractmethod
    def tag_values(
        self, caller: Caller, project_id: ProjectId | None, name: str, prefix: str, limit: int
    ) -> Sequence[str]:
        """Return values with a prefix of the tags with a name, sorted."""

    @abstractmethod
    def owners_of_log(self, log_key: ObjectKey) -> Collection[LogOwner]:
        """Return the jobs whose executions name the log: at most one, unless an engine is faulty.

        Raises:
            NotFound: The log belongs to a deleted job, a purged project or a deleted tenant.
        """
