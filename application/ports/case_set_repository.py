"""The port to stored case sets."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from domain.case_set import CaseSetName, CaseSetReference, CaseSetVersion
from domain.project import Project


class CaseSetRepository(ABC):
    """The versions of case sets of projects that the caller can access, as the transaction sees them."""

    @abstractmethod
    def add(self, version: CaseSetVersion) -> None:
        """Store a new version.

        Raises:
            ConcurrencyConflict: A version with its number already exists.
        """

    @abstractmethod
    def get(self, project: Project, reference: CaseSetReference) -> CaseSetVersion | None:
        """Return a version, or the latest one; None if there is none."""

    @abstractmethod
    def versions(self, project: Project, name: CaseSetName, limit: int) -> Sequence[CaseSetVersion]:
        """Return the latest versions of a case set, newest first."""

    @abstractmethod
    def latest(self, project: Project, after: CaseSetName | None, limit: int) -> Sequence[CaseSetVersion]:
        """Return the latest version of each case set, sorted by name, starting after the name `after`."""

    @abstractmethod
    def remove(self, project: Project, name: CaseSetName) -> Sequence[CaseSetVersion]:
        """Remove all versions of a case set, and their references to blobs; return them."""
