"""The port to the audit log."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import date, datetime

from application.views import AuditFilter, DayUsage, FoundEntries, UsageFilter
from domain.audit import AuditEntry, ChainLink, LedgerEntry, Usage
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

    @abstractmethod
    def page(self, wanted: AuditFilter) -> FoundEntries:
        """Return entries of the ledger, newest first."""

    @abstractmethod
    def head(self) -> ChainLink:
        """Return the link of the latest entry of the ledger."""

    @abstractmethod
    def start(self) -> ChainLink:
        """Return the link before the first entry of the ledger: that of the last one that was removed."""

    @abstractmethod
    def shorten(self, before: datetime, limit: int) -> ChainLink | None:
        """Remove the first entries of the ledger, so many at most, as far as they are of before a time.

        The sums of usage stay. One transaction does so at a time; another that would does nothing.

        Returns:
            The link of the last entry that was removed, from which the chain is verified then; None if no
            entry was.
        """

    @abstractmethod
    def linked(self, after: int, limit: int, tenant: TenantName | None = None) -> Sequence[LedgerEntry]:
        """Return entries of the ledger in the order of their numbers, perhaps of one tenant.

        Args:
            after: The number before the first one.
            limit: How many at most.
            tenant: Their tenant; None for all of them.
        """

    @abstractmethod
    def usage_by_day(self, wanted: UsageFilter) -> Sequence[DayUsage]:
        """Return the usage in the ledger by day, the latest first, and by project."""
