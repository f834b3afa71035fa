"""SQL records of idempotency keys."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from adapters.sql.errors import inserted
from adapters.sql.tables import idempotency_keys
from application.ports.idempotency_keys import IdempotencyKeys
from domain.idempotency import IdempotentRequest, KeyRecord, StoredAnswer
from domain.tenant import TenantName

_columns = idempotency_keys.c
_is_of_key = sa.and_(
    _columns.tenant == sa.bindparam("of_tenant", type_=_columns.tenant.type),
    _columns.digest == sa.bindparam("of_key", type_=_columns.digest.type),
)
_is_as_read = sa.and_(
    _is_of_key, _columns.request_id == sa.bindparam("of_request", type_=_columns.request_id.type)
)
_ADD = sa.insert(idempotency_keys)
_GET = sa.select(idempotency_keys).where(_is_of_key)
_SET_ANSWER = (
    sa.update(idempotency_keys)
    .where(_is_as_read, _columns.status.is_(None))
    .values({name: sa.bindparam(name) for name in ("status", "headers", "body")})
)
_REMOVE = sa.delete(idempotency_keys).where(_is_as_read)
_OLD = (
    sa.select(_columns.tenant, _columns.digest)
    .where(_columns.received_at < sa.bindparam("before"))
    .order_by(_columns.received_at)
    .limit(sa.bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_FORGET = sa.delete(idempotency_keys).where(
    sa.tuple_(_columns.tenant, _columns.digest).in_(sa.bindparam("keys", expanding=True))
)


class SqlIdempotencyKeys(IdempotencyKeys):
    """Records of idempotency keys, one row per tenant and digest."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, tenant: TenantName, record: KeyRecord) -> bool:
        """Store a record without an answer; return False if the tenant has a record of the key already."""
        request = record.request
        row = {
            "tenant": tenant.value,
            "digest": request.key,
            "request_id": request.id,
            "fingerprint": request.fingerprint,
            "made": record.made,
            "received_at": request.received_at,
            "answer_due": request.answer_due,
        }
        return inserted(lambda: self._connection.execute(_ADD, row))

    def get(self, tenant: TenantName, key: str) -> KeyRecord | None:
        """Return the record of a key, or None."""
        found = self._connection.execute(_GET, {"of_tenant": tenant.value, "of_key": key}).mappings().first()
        return None if found is None else _record(found)

    def set_answer(self, tenant: TenantName, record: KeyRecord, answer: StoredAnswer) -> bool:
        """Store the answer in a record; return False if another request has it now, or it has an answer."""
        row = {"status": answer.status, "headers": answer.headers, "body": answer.body}
        return self._connection.execute(_SET_ANSWER, {**row, **_as_read(tenant, record)}).rowcount == 1

    def remove(self, tenant: TenantName, record: KeyRecord) -> bool:
        """Remove a record; return False if it has changed since it was read."""
        return self._connection.execute(_REMOVE, _as_read(tenant, record)).rowcount == 1

    def forget(self, before: datetime, limit: int) -> int:
        """Remove up to `limit` records of requests received before a time; return their number."""
        old = self._connection.execute(_OLD, {"before": before, "limit": limit}).all()
        if old:
            self._connection.execute(_FORGET, {"keys": sorted(tuple(key) for key in old)})
        return len(old)


def _as_read(tenant: TenantName, record: KeyRecord) -> Mapping[str, object]:
    return {"of_tenant": tenant.value, "of_key": record.request.key, "of_request": record.request.id}


def _record(row: Mapping[Any, Any]) -> KeyRecord:
    answer = None
    if row["status"] is not None:
        headers = tuple((name, value) for name, value in row["headers"])
        answer = StoredAnswer(status=row["status"], headers=headers, body=row["body"])
    return KeyRecord(
        request=IdempotentRequest(
            id=row["request_id"],
            key=row["digest"],
            fingerprint=row["fingerprint"],
            received_at=row["received_at"],
            answer_due=row["answer_due"],
        ),
        made=row["made"],
        answer=answer,
    )
