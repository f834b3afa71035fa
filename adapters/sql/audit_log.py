"""The audit log, in SQL."""

from typing import Any

import sqlalchemy as sa

from adapters.sql.tables import audit_journal
from application.ports.audit_log import AuditLog
from domain.audit import Act, AuditEntry, AuditEntryId, Usage
from domain.tenant import TenantName

_ADD = sa.insert(audit_journal)
_WAITING = sa.select(audit_journal).order_by(audit_journal.c.entry_id).limit(sa.bindparam("limit"))


class SqlAuditLog(AuditLog):
    """The audit log of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, entry: AuditEntry) -> None:
        """Store an entry in the journal."""
        self._connection.execute(_ADD, _values(entry))

    def waiting(self, limit: int) -> list[AuditEntry]:
        """Return entries of the journal."""
        return [to_entry(row) for row in self._connection.execute(_WAITING, {"limit": limit}).mappings()]


def _values(entry: AuditEntry) -> dict[str, Any]:
    usage = entry.usage
    return {
        "entry_id": entry.id,
        "at": entry.at,
        "tenant": None if entry.tenant is None else entry.tenant.value,
        "principal": entry.principal,
        "address": entry.address,
        "act": entry.act.value,
        "subject": entry.subject,
        "outcome": entry.outcome,
        "request_id": entry.request_id,
        "project_id": entry.project,
        "uploads": usage.uploads,
        "executions": usage.executions,
        "cpu_ms": usage.cpu_ms,
        "stored_bytes": usage.stored_bytes,
        "left_out": entry.left_out,
    }


def to_entry(row: sa.RowMapping) -> AuditEntry:
    """Read a row of the journal or of the ledger."""
    return AuditEntry(
        id=AuditEntryId(row["entry_id"]),
        at=row["at"],
        tenant=None if row["tenant"] is None else TenantName(row["tenant"]),
        principal=row["principal"],
        address=row["address"],
        act=Act(row["act"]),
        subject=row["subject"],
        outcome=row["outcome"],
        request_id=row["request_id"],
        project=row["project_id"],
        usage=Usage(
            uploads=row["uploads"],
            executions=row["executions"],
            cpu_ms=row["cpu_ms"],
            stored_bytes=row["stored_bytes"],
        ),
        left_out=row["left_out"],
    )
