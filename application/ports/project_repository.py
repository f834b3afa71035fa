"""The port to stored projects."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

from application.views import Count, FoundProjects, ProjectFilter
from domain.caller import Caller
from domain.project import Project
from domain.values import ProjectId, ProjectName


class ProjectRepository(ABC):
    """The projects, as the transaction sees them.

    A name belongs to one project of a tenant that is not deleted.
    """

    @abstractmethod
    def get(self, caller: Caller, reference: ProjectId | ProjectName) -> Project | None:
        """Return the project of that id, in any status, or of that name, if it is not deleted.

        Return None if the caller does not reach it.
        """

    @abstractmethod
    def get_or_add(
        self, caller: Caller, name: ProjectName, description: str | None, now: datetime
    ) -> Project:
        """Return the tenant's project of that name, made now if there was none.

        Two callers at once get the same project.

        Raises:
            NotFound: The caller reaches one project only, and that is another.
        """

    @abstractmethod
    def replace(self, before: Project, after: Project) -> None:
        """Store a changed project, if the stored one is still as it was read.

        Raises:
            ConcurrencyConflict: Its status is no longer that of `before`.
        """

    @abstractmethod
    def has_running_jobs(self, project_id: ProjectId) -> bool:
        """Return whether a job of the project is RUNNING."""

    @abstractmethod
    def note_activity(self, project_id: ProjectId, now: datetime) -> None:
        """Store that work is given to a project, unless a later time is stored."""

    @abstractmethod
    def page(self, caller: Caller, wanted: ProjectFilter) -> FoundProjects:
        """Return projects that the caller reaches and that are not deleted, in the order of the filter.

        A page ends early where more would have to be read, with the cursor for the next one.
        """

    @abstractmethod
    def count(self, caller: Caller, up_to: int) -> Count:
        """Count the projects that the caller reaches and that are not deleted, up to a bound."""

    @abstractmethod
    def all(self, caller: Caller) -> Sequence[Project]:
        """Return the projects that the caller reaches and that are not deleted, by their ids."""
