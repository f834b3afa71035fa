"""Tenants in memory."""

from collections.abc import Sequence
from dataclasses import replace

from application.errors import ConcurrencyConflict, Conflict
from application.ports.tenant_repository import TenantRepository
from domain.tenant import Tenant, TenantName
from tests.support.memory.database import Tables


class MemoryTenantRepository(TenantRepository):
    """The tenants in a transaction's tables."""

    def __init__(self, tables: Tables) -> None:
        self._tenants = tables.tenants

    def get(self, name: TenantName) -> Tenant | None:
        """Return the tenant with a name, or None."""
        return self._tenants.get(name)

    def lock(self, name: TenantName) -> Tenant | None:
        """Return the tenant with a name. No lock is needed, because transactions run one at a time."""
        return self.get(name)

    def add(self, tenant: Tenant) -> None:
        """Store a new tenant."""
        if tenant.name in self._tenants:
            raise Conflict(f"the name '{tenant.name}' is or was the name of a tenant; names are never reused")
        self._tenants[tenant.name] = tenant

    def replace(self, before: Tenant, after: Tenant) -> None:
        """Store the changes of a tenant, if its status is unchanged."""
        stored = self._tenants.get(before.name)
        if stored is None or stored.status is not before.status:
            raise ConcurrencyConflict(f"tenant {before.name} is no longer {before.status}")
        quota = stored.quota if after.quota == before.quota else after.quota
        self._tenants[before.name] = replace(stored, status=after.status, quota=quota)

    def all(self) -> Sequence[Tenant]:
        """Return the tenants by name."""
        return sorted(self._tenants.values(), key=lambda tenant: tenant.name.value)
