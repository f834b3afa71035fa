from datetime import date

from application.ports.audit_log import AuditLog
from domain.audit import CHAIN_START, NO_USAGE, AuditEntry, LedgerEntry, Usage
from domain.tenant import TenantName
from tests.support.memory.database import Tables


class MemoryAuditLog(AuditLog):
    """The audit log in a transaction's tables."""

    def __init__(self, tables: Tables) -> None:
        self._journal = tables.audit_journal
        self._ledger = tables.audit_ledger

    def add(self, entry: AuditEntry) -> None:
        """Store an entry."""
        self._journal[entry.id] = entry

    def waiting(self, limit: int) -> list[AuditEntry]:
        """Return entries that are not in the ledger yet."""
        return [self._journal[entry_id] for entry_id in sorted(self._journal)][:limit]

    def post(self, limit: int) -> int:
        """Move entries to the ledger."""
        moved = self.waiting(limit)
        for entry in moved:
            head = self._ledger[-1].link if self._ledger else CHAIN_START
            self._ledger.append(LedgerEntry(head.next(entry.row()), entry))
            del self._journal[entry.id]
        return len(moved)

    def usage(self, tenant: TenantName, day: date) -> Usage:
        """Add up all entries of the tenant."""
        entries = [*self._journal.values(), *(linked.entry for linked in self._ledger)]
        own = [entry for entry in entries if entry.tenant == tenant]
        of_day = sum((entry.usage for entry in own if entry.at.date() == day), NO_USAGE)
        return Usage(
            uploads=of_day.uploads,
            executions=of_day.executions,
            cpu_ms=of_day.cpu_ms,
            stored_bytes=sum(entry.usage.stored_bytes for entry in own),
        )
