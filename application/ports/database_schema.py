"""The port to the database's schema and its migrations."""

from abc import ABC, abstractmethod
from collections.abc import Sequence


class DatabaseSchema(ABC):
    """The tables of the database, at some revision.

    Every method raises DependencyUnavailable if the database is unavailable.
    """

    @abstractmethod
    def revision(self) -> str | None:
        """Return the revision of the tables, or None if there are no tables."""

    @abstractmethod
    def is_newer(self) -> bool:
        """Whether the tables belong to a newer version of the service, with which this version also works."""

    @abstractmethod
    def differences(self) -> Sequence[str]:
        """Return the differences between the tables and this version's schema; empty if they match."""

    @abstractmethod
    def foreign_tables(self) -> Sequence[str]:
        """Return tables of another service that have the names of this one's tables."""

    @abstractmethod
    def upgrade(self, revision: str = "head") -> None:
        """Upgrade the tables to a revision. If several processes call this, one upgrades and the others wait.

        Raises:
            DependencyUnavailable: Also if another process migrates for too long.
        """

    @abstractmethod
    def downgrade(self, revision: str) -> None:
        """Downgrade the tables to a revision or to "base"; data that only later revisions store is lost.

        Raises:
            DependencyUnavailable: Also if another process migrates for too long.
        """
