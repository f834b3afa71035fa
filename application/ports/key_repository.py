"""The port to stored API keys."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from datetime import datetime

from application.errors import NotFound
from domain.api_key import ApiKey, KeyId
from domain.caller import Caller
from domain.tenant import Tenant, TenantName


class KeyRepository(ABC):
    """The keys, without their texts. A caller can access only its tenant's or its project's keys."""

    @abstractmethod
    def add(self, key: ApiKey) -> None:
        """Store a new key."""

    @abstractmethod
    def get(self, caller: Caller, key_id: KeyId) -> ApiKey | None:
        """Return a key, or None if the caller can access none with that id."""

    def get_or_raise(self, caller: Caller, key_id: KeyId) -> ApiKey:
        """Return a key, in any status.

        Raises:
            NotFound: There is no such key, or the caller cannot access it.
        """
        key = self.get(caller, key_id)
        if key is None:
            raise NotFound("key", key_id)
        return key

    @abstractmethod
    def all(self, caller: Caller) -> Sequence[ApiKey]:
        """Return the keys that the caller can access, in any status, oldest first."""

    @abstractmethod
    def administrators_of_any_tenant(self) -> Sequence[ApiKey]:
        """Return the keys with the scope `admin`, in any status, oldest first."""

    @abstractmethod
    def replace(self, before: ApiKey, after: ApiKey) -> None:
        """Store a key's expiry and revocation, if the stored ones have not changed since they were read.

        Raises:
            ConcurrencyConflict: They differ from `before`.
        """

    @abstractmethod
    def revoke_all(self, tenant: TenantName, now: datetime) -> int:
        """Revoke every key of a tenant; return how many were not revoked before."""

    @abstractmethod
    def remove(self, key_ids: Collection[KeyId]) -> None:
        """Remove the records of keys."""

    @abstractmethod
    def find(self, digest: str) -> tuple[ApiKey, Tenant] | None:
        """Return the key with a digest, in any status, and its tenant; None if there is none."""

    @abstractmethod
    def touch(self, key_ids: Collection[KeyId], at: datetime) -> None:
        """Record that keys were used at a time; a later recorded use is kept."""
