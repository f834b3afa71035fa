"""Command: remove blobs without references."""

import logging
from datetime import datetime, timedelta

from application.pace import SOON, Pace
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.purge_repository import UnusedBlobs
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.audit import SERVICE, Act, AuditEntry, AuditEntryId, Usage
from domain.tenant import TenantName

logger = logging.getLogger("service_server.blobs")


class RemoveUnusedBlobs:
    """Removes blobs that have had no reference for some hours.

    * The rows of a batch are removed in one transaction, which records the keys of their objects;
      `RemoveDeleted` deletes these.
    * An upload that announces such a blob at the same time either comes first and keeps the blob, or comes
      later and stores it again.
    * An audit entry per tenant credits the freed bytes.

    Args:
        kept: How long a blob is kept after its last reference.
    """

    def __init__(self, unit_of_work: UnitOfWork, clock: Clock, ids: IdGenerator, kept: timedelta) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._ids = ids
        self._kept = kept
        self._pace = Pace(clock, share=SOON)

    def __call__(self) -> int:
        """Remove every blob that is due; return the stored bytes that were freed."""
        freed: list[int] = []
        self._pace.begin()
        while self._pace.step("files", lambda size: self._remove_batch(size, freed)):
            pass
        if freed_bytes := sum(freed):
            logger.info("removed %d bytes of unused files", freed_bytes)
        return freed_bytes

    def _remove_batch(self, size: int, freed: list[int]) -> int:
        """Remove a batch and add its bytes to `freed`; return its size, or 0 if it was the last one."""
        now = self._clock.now()
        entry_ids: dict[TenantName, AuditEntryId] = {}

        def work(transaction: Transaction) -> UnusedBlobs:
            removed = transaction.purges.remove_unused_blobs(self._kept.total_seconds(), size)
            for tenant, freed_bytes in removed.freed_bytes.items():
                if freed_bytes:
                    entry_id = entry_ids.setdefault(tenant, AuditEntryId(self._ids.new()))
                    transaction.audit.add(_entry(entry_id, now, tenant, freed_bytes))
            return removed

        removed = self._unit_of_work.run(self._pace.timed(work))
        freed += removed.freed_bytes.values()
        return 0 if removed.is_all else size


def _entry(entry_id: AuditEntryId, now: datetime, tenant: TenantName, freed_bytes: int) -> AuditEntry:
    return AuditEntry(
        id=entry_id,
        at=now,
        tenant=tenant,
        principal=SERVICE,
        act=Act.FILES_REMOVE,
        subject=tenant.value,
        usage=Usage(stored_bytes=-freed_bytes),
    )
