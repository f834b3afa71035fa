"""The port to the database's schema and its migrations."""

from abc import ABC, abstractmethod
from collections.abc import Sequence


class DatabaseSchema(ABC):
    """Tables of the database, at some revision.

    Every method raises DependencyUnavailable when the database is out of reach.
    """

    @abstractmethod
    def revision(self) -> str | None:
        """Returns the revision of the tables, or None if there are none."""

    @abstractmethod
    def is_newer(self) -> bool:
        """Whether the tables are of a newer version of the service: this one works with them, too."""

    @abstractmethod
    def differences(self) -> Sequence[str]:
        """Returns the differences between the tables and this version's; none if they match."""

    @abstractmethod
    def foreign_tables(self) -> Sequence[str]:
        """Returns tables of another service by the names of this one's, which has none then."""

    @abstractmethod
    def upgrade(self, revision: str = "head") -> None:
        """Brings the tables up to a revision. Of several processes at once, one does it and the others wait.

        Raises:
            DependencyUnavailable: Also if another process migrates for too long.
        """

    @abstractmethod
    def downgrade(self, revision: str) -> None:
        """Takes the tables down to a revision, or to "base"; data of later revisions alone is lost.

        Raises:
            DependencyUnavailable: Also if another process migrates for too long.
        """
