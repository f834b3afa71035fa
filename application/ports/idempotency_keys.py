"""The port to the records of idempotency keys."""

from abc import ABC, abstractmethod
from datetime import datetime

from domain.idempotency import KeyRecord, StoredAnswer
from domain.tenant import TenantName


class IdempotencyKeys(ABC):
    """The keys of each tenant's requests, with their answers."""

    @abstractmethod
    def add(self, tenant: TenantName, record: KeyRecord) -> bool:
        """Store a record without an answer; return False if the tenant has one of the key already.

        A transaction that has stored the same key and has not ended is waited for.
        """

    @abstractmethod
    def get(self, tenant: TenantName, key: str) -> KeyRecord | None:
        """Return the record of a key, or None."""

    @abstractmethod
    def set_answer(self, tenant: TenantName, record: KeyRecord, answer: StoredAnswer) -> bool:
        """Store the answer to the request that made a record; return False if that is another or answered."""

    @abstractmethod
    def remove(self, tenant: TenantName, record: KeyRecord) -> bool:
        """Remove a record; return False if it is not there as it was read."""

    @abstractmethod
    def forget(self, before: datetime, limit: int) -> int:
        """Remove the records of requests that came before a time, so many at most; return how many."""
