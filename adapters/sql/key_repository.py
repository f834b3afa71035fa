"""SQL repository of API keys."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from adapters.sql.mapping import KEY_COLUMNS, TENANT_COLUMNS, Values, key_values, reach, to_key, to_tenant
from adapters.sql.tables import api_keys, tenants
from application.errors import ConcurrencyConflict
from application.ports.key_repository import KeyRepository
from domain.api_key import ApiKey, KeyId
from domain.caller import Caller, Scope
from domain.tenant import Tenant, TenantName

_IN_ORDER = (api_keys.c.created_at, api_keys.c.key_id)
_is_reached = sa.and_(
    api_keys.c.tenant == sa.bindparam("caller_tenant"),
    sa.or_(
        sa.bindparam("caller_project", type_=sa.Integer).is_(None),
        api_keys.c.project_id == sa.bindparam("caller_project", type_=sa.Integer),
    ),
)
_REACHED = sa.select(*KEY_COLUMNS).where(_is_reached).order_by(*_IN_ORDER)
_GET = _REACHED.where(api_keys.c.key_id == sa.bindparam("id"))
# The scopes are stored as JSON text, and their names need no escapes.
_ADMINISTRATORS = (
    sa.select(*KEY_COLUMNS)
    .where(sa.type_coerce(api_keys.c.scopes, sa.Text).contains(f'"{Scope.ADMIN}"'))
    .order_by(*_IN_ORDER)
)
_FIND = (
    sa.select(*KEY_COLUMNS, *TENANT_COLUMNS)
    .join_from(api_keys, tenants, tenants.c.tenant == api_keys.c.tenant)
    .where(api_keys.c.digest == sa.bindparam("digest"))
)
_ADD = sa.insert(api_keys)
_REPLACE = (
    sa.update(api_keys)
    .where(
        api_keys.c.key_id == sa.bindparam("id"),
        api_keys.c.expires_at.is_not_distinct_from(sa.bindparam("old_expires_at")),
        api_keys.c.revoked_at.is_not_distinct_from(sa.bindparam("old_revoked_at")),
    )
    .values(expires_at=sa.bindparam("new_expires_at"), revoked_at=sa.bindparam("new_revoked_at"))
)
_REVOKE_ALL = (
    sa.update(api_keys)
    .where(api_keys.c.tenant == sa.bindparam("owner"), api_keys.c.revoked_at.is_(None))
    .values(revoked_at=sa.bindparam("now"))
)
_REMOVE = sa.delete(api_keys).where(api_keys.c.key_id.in_(sa.bindparam("ids", expanding=True)))
_TOUCH = (
    sa.update(api_keys)
    .where(
        api_keys.c.key_id.in_(sa.bindparam("ids", expanding=True)),
        sa.or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < sa.bindparam("at")),
    )
    .values(last_used_at=sa.bindparam("at"))
)


class SqlKeyRepository(KeyRepository):
    """Repository of API keys. Keys that have only scopes unknown to this version are skipped."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, key: ApiKey) -> None:
        """Store a new key."""
        self._connection.execute(_ADD, key_values(key))

    def get(self, caller: Caller, key_id: KeyId) -> ApiKey | None:
        """Return the key with an id, or None if the caller can access none."""
        return next(iter(self._list(_GET, {"id": key_id, **reach(caller)})), None)

    def all(self, caller: Caller) -> Sequence[ApiKey]:
        """Return the keys that the caller can access, oldest first."""
        return self._list(_REACHED, reach(caller))

    def administrators_of_any_tenant(self) -> Sequence[ApiKey]:
        """Return the keys with the scope `admin`, oldest first."""
        return self._list(_ADMINISTRATORS, {})

    def replace(self, before: ApiKey, after: ApiKey) -> None:
        """Store a key's expiry and revocation."""
        found = self._connection.execute(
            _REPLACE,
            {
                "id": before.id,
                "old_expires_at": before.expires_at,
                "old_revoked_at": before.revoked_at,
                "new_expires_at": after.expires_at,
                "new_revoked_at": after.revoked_at,
            },
        ).rowcount
        if found != 1:
            raise ConcurrencyConflict(f"key {before.id} was changed in the meantime")

    def revoke_all(self, tenant: TenantName, now: datetime) -> int:
        """Revoke every key of a tenant; return the number of newly revoked keys."""
        return self._connection.execute(_REVOKE_ALL, {"owner": tenant.value, "now": now}).rowcount

    def remove(self, key_ids: Collection[KeyId]) -> None:
        """Remove the records of keys."""
        if key_ids:
            self._connection.execute(_REMOVE, {"ids": sorted(key_ids)})

    def find(self, digest: str) -> tuple[ApiKey, Tenant] | None:
        """Return the key with a digest and its tenant, or None."""
        row = self._connection.execute(_FIND, {"digest": digest}).mappings().first()
        key = None if row is None else to_key(row)
        return None if row is None or key is None else (key, to_tenant(row))

    def touch(self, key_ids: Collection[KeyId], at: datetime) -> None:
        """Record the use of keys, in the order of their ids, because processes do so concurrently."""
        if key_ids:
            self._connection.execute(_TOUCH, {"ids": sorted(key_ids), "at": at})

    def _list(self, statement: sa.Select[tuple[object, ...]], parameters: Values) -> list[ApiKey]:
        rows = self._connection.execute(statement, parameters).mappings()
        return [key for row in rows if (key := to_key(row)) is not None]
