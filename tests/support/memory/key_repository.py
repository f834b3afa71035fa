"""API keys in memory."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from application.errors import ConcurrencyConflict
from application.ports.key_repository import KeyRepository
from domain.api_key import ApiKey, KeyId
from domain.caller import Caller, Scope
from domain.tenant import Tenant, TenantName
from tests.support.memory.database import Tables


class MemoryKeyRepository(KeyRepository):
    """The keys in a transaction's tables."""

    def __init__(self, tables: Tables) -> None:
        self._keys = tables.keys
        self._tenants = tables.tenants

    def add(self, key: ApiKey) -> None:
        """Store a new key."""
        if key.id in self._keys or self.find(key.digest) is not None:
            raise LookupError(f"key {key.id} is stored already")
        self._keys[key.id] = key

    def get(self, caller: Caller, key_id: KeyId) -> ApiKey | None:
        """Return a key, or None if the caller reaches none with that id."""
        return next((key for key in self.all(caller) if key.id == key_id), None)

    def all(self, caller: Caller) -> Sequence[ApiKey]:
        """Return the keys that the caller reaches, oldest first."""
        return [key for key in self._in_order() if _is_reached(caller, key)]

    def administrators_of_any_tenant(self) -> Sequence[ApiKey]:
        """Return the keys with the scope `admin`, oldest first."""
        return [key for key in self._in_order() if Scope.ADMIN in key.scopes]

    def replace(self, before: ApiKey, after: ApiKey) -> None:
        """Store a key's expiry and revocation."""
        stored = self._keys.get(before.id)
        if stored is None or _state(stored) != _state(before):
            raise ConcurrencyConflict(f"key {before.id} was changed in the meantime")
        self._keys[before.id] = replace(stored, expires_at=after.expires_at, revoked_at=after.revoked_at)

    def revoke_all(self, tenant: TenantName, now: datetime) -> int:
        """Revoke all keys of a tenant; return the number of newly revoked ones."""
        open_keys = [key for key in self._keys.values() if key.tenant == tenant and key.revoked_at is None]
        self._keys.update({key.id: key.revoke(now) for key in open_keys})
        return len(open_keys)

    def remove(self, key_ids: Collection[KeyId]) -> None:
        """Remove the records of keys."""
        for key_id in key_ids:
            self._keys.pop(key_id, None)

    def find(self, digest: str) -> tuple[ApiKey, Tenant] | None:
        """Return the key with the digest, and its tenant."""
        key = next((key for key in self._keys.values() if key.digest == digest), None)
        tenant = None if key is None else self._tenants.get(key.tenant)
        return None if key is None or tenant is None else (key, tenant)

    def touch(self, key_ids: Collection[KeyId], at: datetime) -> None:
        """Record that keys were used."""
        for key_id in self._keys.keys() & set(key_ids):
            key = self._keys[key_id]
            if key.last_used_at is None or key.last_used_at < at:
                self._keys[key_id] = replace(key, last_used_at=at)

    def _in_order(self) -> list[ApiKey]:
        return sorted(self._keys.values(), key=lambda key: (key.created_at, key.id))


def _state(key: ApiKey) -> tuple[datetime | None, datetime | None]:
    return key.expires_at, key.revoked_at


def _is_reached(caller: Caller, key: ApiKey) -> bool:
    return key.tenant == caller.tenant.name and caller.project in {None, key.project}
