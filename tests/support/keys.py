"""API keys and tenants in a service's database."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from application.ports.unit_of_work import UnitOfWork
from domain.api_key import ApiKey, KeyId, KeyText
from domain.caller import Scope
from domain.tenant import Tenant, TenantName, TenantStatus, TenantTrigger


class Keys:
    """The keys in a database, with their texts."""

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._unit_of_work = unit_of_work
        self._keys: dict[str, ApiKey] = {}

    def add(
        self, tenant: str = "acme", scopes: frozenset[Scope] = frozenset(Scope), **changes: object
    ) -> str:
        """Store a key, and its tenant if it is missing; return the key's text."""
        text, now = KeyText.generate(), datetime.now(UTC)
        name = TenantName(tenant)
        key = ApiKey(
            id=KeyId(uuid4()),
            tenant=name,
            name="a test's",
            digest=text.digest,
            scopes=scopes,
            created_at=now,
            created_by="anonymous",
        )
        key = replace(key, **changes)

        def store(transaction):
            if transaction.tenants.get(name) is None:
                transaction.tenants.add(Tenant(name=name, status=TenantStatus.ACTIVE, created_at=now))
            transaction.keys.add(key)

        self._unit_of_work.run(store)
        self._keys[text.value] = key
        return text.value

    def id(self, text: str) -> KeyId:
        """Return a key's id."""
        return self._keys[text].id

    def tenant(self, text: str) -> str:
        """Return the name of a key's tenant."""
        return str(self._keys[text].tenant)

    def revoke(self, text: str) -> None:
        """Revoke a key."""
        key = self._keys[text]
        revoked = key.revoke(datetime.now(UTC))
        self._unit_of_work.run(lambda transaction: transaction.keys.replace(key, revoked))

    def change(self, tenant: str, trigger: TenantTrigger) -> None:
        """Suspend, resume or delete a tenant."""

        def store(transaction):
            before = transaction.tenants.get(TenantName(tenant))
            transaction.tenants.replace(before, before.apply(trigger))

        self._unit_of_work.run(store)


def bearer(key: str) -> dict[str, str]:
    """Return the header with a key."""
    return {"Authorization": f"Bearer {key}"}
