"""The port to the records of idempotency keys."""

from abc import ABC, abstractmethod
from datetime import datetime

from domain.idempotency import KeyRecord, StoredAnswer
from domain.tenant import TenantName


class IdempotencyKeys(ABC):
    """The idempotency keys of each tenant's requests, with the stored answers."""

    @abstractmethod
    def add(self, tenant: TenantName, record: KeyRecord) -> bool:
        """Store a record without an answer; return False if the tenant already has one with the key.

        Waits for a concurrent transaction that has stored the same key.
        """

    @abstractmethod
    def get(self, tenant: TenantName, key: str) -> KeyRecord | None:
        """Return the record of a key, or None."""

    @abstractmethod
    def set_answer(self, tenant: TenantName, record: KeyRecord, answer: StoredAnswer) -> bool:
        """Store the answer to a record's request; return False if the record differs or is answered."""

    @abstractmethod
    def remove(self, tenant: TenantName, record: KeyRecord) -> bool:
        """Remove a record; return False if it has changed since it was read."""

    @abstractmethod
    def forget(self, before: datetime, limit: int) -> int:
        """Remove up to `limit` records of requests from before a time; return how many."""
