"""The port to stored projects."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

from application.lists import Count, FoundProjects, ProjectFilter
from domain.caller import Caller
from domain.project import Project
from domain.values import ProjectId, ProjectName


class ProjectRepository(ABC):
    """The projects, as the transaction sees them.

    A name belongs to at most one project of a tenant that is not deleted.
    """

    @abstractmethod
    def get(self, caller: Caller, reference: ProjectId | ProjectName) -> Project | None:
        """Return the project with an id, in any status, or with a name, if it is not deleted.

        Returns None if the caller cannot access it.
        """

    @abstractmethod
    def get_or_add(
        self, caller: Caller, name: ProjectName, description: str | None, now: datetime
    ) -> Project:
        """Return the tenant's project with a name, creating it if there is none.

        Concurrent callers get the same project.

        Raises:
            NotFound: The caller is restricted to another project.
        """

    @abstractmethod
    def replace(self, before: Project, after: Project) -> None:
        """Store a changed project, if the stored project has not changed since it was read.

        Raises:
            ConcurrencyConflict: Its status differs from `before`.
        """

    @abstractmethod
    def has_running_jobs(self, project_id: ProjectId) -> bool:
        """Return whether a job of the project is RUNNING."""

    @abstractmethod
    def note_activity(self, project_id: ProjectId, now: datetime) -> None:
        """Record the time of the project's last activity, unless a later time is recorded."""

    @abstractmethod
    def page(self, caller: Caller, wanted: ProjectFilter) -> FoundProjects:
        """Return projects that the caller can access and that are not deleted, in the order of the filter.

        A page that would require reading too much ends early, with the cursor for the next page.
        """

    @abstractmethod
    def count(self, caller: Caller, up_to: int) -> Count:
        """Count the projects that the caller can access and that are not deleted, up to a bound."""

    @abstractmethod
    def all(self, caller: Caller) -> Sequence[Project]:
        """Return the projects that the caller can access and that are not deleted, sorted by id."""
