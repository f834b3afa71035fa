"""The port to the audit log."""

from abc import ABC, abstractmethod

from domain.audit import AuditEntry


class AuditLog(ABC):
    """The record of acts, to which entries are added and of which none is changed."""

    @abstractmethod
    def add(self, entry: AuditEntry) -> None:
        """Store an entry with the effects of its transaction."""

    @abstractmethod
    def waiting(self, limit: int) -> list[AuditEntry]:
        """Return entries that are not in the ledger yet, so many at most, in the order of their ids."""
