from application.ports.audit_log import AuditLog
from domain.audit import AuditEntry
from tests.support.memory.database import Tables


class MemoryAuditLog(AuditLog):
    """The audit log in a transaction's tables."""

    def __init__(self, tables: Tables) -> None:
        self._journal = tables.audit_journal

    def add(self, entry: AuditEntry) -> None:
        """Store an entry."""
        self._journal[entry.id] = entry

    def waiting(self, limit: int) -> list[AuditEntry]:
        """Return entries that are not in the ledger yet."""
        return [self._journal[entry_id] for entry_id in sorted(self._journal)][:limit]
