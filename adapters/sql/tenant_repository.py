"""SQL repository of tenants."""

from collections.abc import Sequence

import sqlalchemy as sa

from adapters.sql.errors import inserted
from adapters.sql.mapping import TENANT_COLUMNS, tenant_values, to_tenant
from adapters.sql.tables import tenants
from application.errors import ConcurrencyConflict, Conflict
from application.ports.tenant_repository import TenantRepository
from domain.tenant import Tenant, TenantName

_is_named = tenants.c.tenant == sa.bindparam("name")
_GET = sa.select(*TENANT_COLUMNS).where(_is_named)
_LOCK = _GET.with_for_update()
_ALL = sa.select(*TENANT_COLUMNS).order_by(tenants.c.tenant)
_ADD = sa.insert(tenants)
_REPLACE = sa.update(tenants).where(_is_named, tenants.c.status == sa.bindparam("expected"))
_CHANGEABLE = ("status", "quota")


class SqlTenantRepository(TenantRepository):
    """Repository of tenants. On SQLite, write transactions are serialized and need no row locks."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, name: TenantName) -> Tenant | None:
        """Return the tenant with a name, or None."""
        return self._one(_GET, name)

    def lock(self, name: TenantName) -> Tenant | None:
        """Return the tenant with a name, and lock its row until the transaction ends."""
        return self._one(_LOCK, name)

    def add(self, tenant: Tenant) -> None:
        """Store a new tenant."""
        if not inserted(lambda: self._connection.execute(_ADD, tenant_values(tenant))):
            raise Conflict(f"the name '{tenant.name}' is or was the name of a tenant; names are never reused")

    def replace(self, before: Tenant, after: Tenant) -> None:
        """Update only the columns that differ, so that a quota set concurrently is kept."""
        old, new = tenant_values(before), tenant_values(after)
        changes = {name: new[name] for name in _CHANGEABLE if new[name] != old[name]} or {
            "status": new["status"]
        }
        found = self._connection.execute(
            _REPLACE.values(changes), {"name": before.name.value, "expected": before.status.value}
        ).rowcount
        if found != 1:
            raise ConcurrencyConflict(f"tenant {before.name} is no longer {before.status}")

    def all(self) -> Sequence[Tenant]:
        """Return all tenants, sorted by name."""
        return [to_tenant(row) for row in self._connection.execute(_ALL).mappings()]

    def _one(self, statement: sa.Select[tuple[object, ...]], name: TenantName) -> Tenant | None:
        row = self._connection.execute(statement, {"name": name.value}).mappings().first()
        return None if row is None else to_tenant(row)
