"""The port to stored API keys."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from datetime import datetime

from application.errors import NotFound
from domain.api_key import ApiKey, KeyId
from domain.caller import Caller
from domain.tenant import Tenant, TenantName


class KeyRepository(ABC):
    """The keys, without their texts. A caller reaches its tenant's, or one project's, alone."""

    @abstractmethod
    def add(self, key: ApiKey) -> None:
        """Store a new key."""

    @abstractmethod
    def get(self, caller: Caller, key_id: KeyId) -> ApiKey | None:
        """Return a key, or None if the caller reaches none of that id."""

    def get_or_raise(self, caller: Caller, key_id: KeyId) -> ApiKey:
        """Return a key, in any status.

        Raises:
            NotFound: The caller reaches no such key.
        """
        key = self.get(caller, key_id)
        if key is None:
            raise NotFound("key", key_id)
        return key

    @abstractmethod
    def all(self, caller: Caller) -> Sequence[ApiKey]:
        """Return the keys that the caller reaches, in any status, the oldest first."""

    @abstractmethod
    def administrators_of_any_tenant(self) -> Sequence[ApiKey]:
        """Return the keys with the scope `admin`, in any status, the oldest first."""

    @abstractmethod
    def replace(self, before: ApiKey, after: ApiKey) -> None:
        """Store a key's expiry and revocation, if the stored ones are still as they were read.

        Raises:
            ConcurrencyConflict: They are no longer as in `before`.
        """

    @abstractmethod
    def revoke_all(self, tenant: TenantName, now: datetime) -> int:
        """Revoke every key of a tenant; return how many were not revoked before."""

    @abstractmethod
    def remove(self, key_ids: Collection[KeyId]) -> None:
        """Remove the records of keys."""

    @abstractmethod
    def find(self, digest: str) -> tuple[ApiKey, Tenant] | None:
        """Return the key with the digest, in any status, and its tenant, or None."""

    @abstractmethod
    def touch(self, key_ids: Collection[KeyId], at: datetime) -> None:
        """Record that keys were used at a time; a later use that is recorded stays."""
