"""Figures for operators, counted in memory."""

from collections.abc import Mapping
from datetime import datetime

from application.ports.operation_queries import COUNTED_UP_TO, Backlog, OperationQueries, TenantClass
from domain.delivery import DeliveryStatus
from domain.execution_lifecycle import LEASED, ExecutionState
from domain.tenant import TenantName, TenantStatus
from tests.support.memory.database import MemoryDatabase


class MemoryOperationQueries(OperationQueries):
    """Counts committed rows."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def queue(self) -> Mapping[TenantClass, Backlog]:
        """Return the waiting executions, by the class of their tenants."""
        times: dict[TenantClass, list[datetime]] = {kind: [] for kind in TenantClass}
        for row in self._database.tables.executions.values():
            if row.execution.state is ExecutionState.WAITING:
                times[self._class_of(row.tenant)].append(row.execution.requested_at)
        return {kind: Backlog(len(found), min(found, default=None)) for kind, found in times.items()}

    def postponed(self) -> Backlog:
        """Return the delayed executions that their engine refused."""
        rows = self._database.tables.executions.values()
        found = [row.execution.requested_at for row in rows if row.is_postponed]
        return Backlog(len(found), min(found, default=None))

    def _class_of(self, name: TenantName) -> TenantClass:
        tenant = self._database.tables.tenants.get(name)
        if tenant is None:  # the tenant of all callers without a key
            return TenantClass.READY
        if tenant.status is not TenantStatus.ACTIVE:
            return TenantClass.SUSPENDED
        rows = self._database.tables.executions.values()
        running = sum(row.tenant == name and row.execution.state in LEASED for row in rows)
        bound = tenant.quota.running
        return TenantClass.READY if bound is None or running < bound else TenantClass.AT_QUOTA

    def outbox(self) -> Backlog:
        """Return the messages in the outbox."""
        kept = self._database.tables.outbox.values()
        return Backlog(len(kept), min((row.added_at for row in kept), default=None))

    def dead_deliveries(self) -> int:
        """Return the number of events that were given up."""
        found = self._database.tables.deliveries.values()
        return min(sum(row.delivery.status is DeliveryStatus.FAILED for row in found), COUNTED_UP_TO + 1)

    def pending_deletions(self) -> int:
        """Return the number of objects that have yet to be deleted."""
        return len(self._database.tables.deletions)
