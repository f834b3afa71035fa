"""The port to the audit log."""

from abc import ABC, abstractmethod
from datetime import date

from domain.audit import AuditEntry, Usage
from domain.tenant import TenantName


class AuditLog(ABC):
    """The record of acts, to which entries are added and of which none is changed.

    An entry is in the journal at first. Then it is posted to the ledger: it gets its place in the chain, and
    its usage is added to the sums.
    """

    @abstractmethod
    def add(self, entry: AuditEntry) -> None:
        """Store an entry in the journal, with the effects of its transaction."""

    @abstractmethod
    def waiting(self, limit: int) -> list[AuditEntry]:
        """Return entries of the journal, so many at most, in the order of their ids."""

    @abstractmethod
    def post(self, limit: int) -> int:
        """Move entries from the journal to the ledger, so many at most, in the order of their ids.

        One transaction does so at a time; another that would does nothing. Returns how many were moved.
        """

    @abstractmethod
    def usage(self, tenant: TenantName, day: date) -> Usage:
        """Return a tenant's usage on a day of UTC, but with the stored bytes of all time.

        Entries of the journal count. To have none added meanwhile, lock the tenant first.
        """
