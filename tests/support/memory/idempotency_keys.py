from dataclasses import replace
from datetime import datetime
from itertools import islice

from application.ports.idempotency_keys import IdempotencyKeys
from domain.idempotency import KeyRecord, StoredAnswer
from domain.tenant import TenantName
from tests.support.memory.database import Tables


class MemoryIdempotencyKeys(IdempotencyKeys):
    """The records in a transaction's tables."""

    def __init__(self, tables: Tables) -> None:
        self._records = tables.idempotency_keys

    def add(self, tenant: TenantName, record: KeyRecord) -> bool:
        """Store a record without an answer; return False if the tenant already has one for the key."""
        stored = replace(record, answer=None)
        return self._records.setdefault((tenant, record.request.key), stored) is stored

    def get(self, tenant: TenantName, key: str) -> KeyRecord | None:
        """Return the record of a key, or None."""
        return self._records.get((tenant, key))

    def set_answer(self, tenant: TenantName, record: KeyRecord, answer: StoredAnswer) -> bool:
        """Store the answer for a record; return False if the record was replaced, or has an answer."""
        if not self._is_there(tenant, record):
            return False
        found = self._records[tenant, record.request.key]
        if found.answer is not None:
            return False
        self._records[tenant, record.request.key] = replace(found, answer=answer)
        return True

    def remove(self, tenant: TenantName, record: KeyRecord) -> bool:
        """Remove a record; return False if it has changed since it was read."""
        is_there = self._is_there(tenant, record)
        if is_there:
            del self._records[tenant, record.request.key]
        return is_there

    def forget(self, before: datetime, limit: int) -> int:
        """Remove up to `limit` records of requests received before a time; return their number."""
        old = (key for key, record in self._records.items() if record.request.received_at < before)
        chosen = list(islice(old, limit))
        for key in chosen:
            del self._records[key]
        return len(chosen)

    def _is_there(self, tenant: TenantName, record: KeyRecord) -> bool:
        found = self._records.get((tenant, record.request.key))
        return found is not None and found.request.id == record.request.id
