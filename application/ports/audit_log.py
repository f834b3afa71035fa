"""The port to the audit log."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import date, datetime

from application.lists import AuditFilter, FoundEntries, UsageFilter
from application.views import DayUsage
from domain.audit import AuditEntry, ChainLink, LedgerEntry, Usage
from domain.tenant import TenantName


class AuditLog(ABC):
    """The record of actions. Entries are only added, never changed.

    An entry is first in the journal. Then it is posted to the ledger, where it gets its place in the chain
    and its usage is added to the sums.
    """

    @abstractmethod
    def add(self, entry: AuditEntry) -> None:
        """Store an entry in the journal, in the transaction of its effects."""

    @abstractmethod
    def waiting(self, limit: int) -> list[AuditEntry]:
        """Return up to `limit` entries of the journal, in the order of their ids."""

    @abstractmethod
    def post(self, limit: int) -> int:
        """Move up to `limit` entries from the journal to the ledger, in the order of their ids.

        Only one transaction posts at a time; a concurrent one does nothing. Returns how many entries were
        moved.
        """

    @abstractmethod
    def usage(self, tenant: TenantName, day: date) -> Usage:
        """Return a tenant's usage on a day in UTC; stored bytes are the total up to now.

        Entries of the journal are included. Lock the tenant first to prevent others from being added
        meanwhile.
        """

    @abstractmethod
    def page(self, wanted: AuditFilter) -> FoundEntries:
        """Return entries of the ledger, newest first."""

    @abstractmethod
    def head(self) -> ChainLink:
        """Return the link of the latest entry of the ledger."""

    @abstractmethod
    def start(self) -> ChainLink:
        """Return the link before the first entry of the ledger: that of the last removed entry."""

    @abstractmethod
    def shorten(self, before: datetime, limit: int) -> ChainLink | None:
        """Remove up to `limit` of the oldest ledger entries, if they are older than `before`.

        The sums of usage are kept. Only one transaction removes entries at a time; a concurrent one does
        nothing.

        Returns:
            The link of the last removed entry, from which the chain is verified from now on; None if no entry
            was removed.
        """

    @abstractmethod
    def linked(self, after: int, limit: int, tenant: TenantName | None = None) -> Sequence[LedgerEntry]:
        """Return entries of the ledger in the order of their numbers, optionally of one tenant.

        Args:
            after: The number before the first entry.
            limit: The maximum number of entries.
            tenant: Their tenant; None for all tenants.
        """

    @abstractmethod
    def usage_by_day(self, wanted: UsageFilter) -> Sequence[DayUsage]:
        """Return the usage in the ledger by day, latest first, and by project."""
