"""SQL repository of webhook deliveries."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from adapters.sql.database_time import database_time, microseconds
from adapters.sql.tables import webhook_deliveries, webhooks
from application.ports.delivery_repository import DeliveryClaim, DeliveryFilter, DeliveryRepository
from domain.caller import Caller
from domain.delivery import Attempt, Delivery, DeliveryId, DeliveryStatus
from domain.tenant import TenantName
from domain.values import WebhookId
from domain.webhook_event import WebhookEvent

_c = webhook_deliveries.c
_PENDING = DeliveryStatus.PENDING.value
# Rows read per delivery to claim. If one receiver fills the rows read, the others follow at the next claim.
_READ_PER_CLAIM = 4
_ADD = sa.insert(webhook_deliveries)
_is_due = sa.and_(_c.status == _PENDING, _c.due_at <= database_time())
_HAS_DUE = sa.select(_c.delivery_id).where(_is_due).limit(1)
_earlier = webhook_deliveries.alias("earlier")
# Rows locked by the claims of other processes are skipped, not waited for.
_DUE = (
    sa.select(webhook_deliveries)
    .where(
        _is_due,
        _c.receiver.not_in(sa.bindparam("full", expanding=True)),
        _c.tenant.not_in(sa.bindparam("busy", expanding=True)),
        ~sa.exists().where(
            _earlier.c.subject == _c.subject,
            _earlier.c.receiver == _c.receiver,
            _earlier.c.status == _PENDING,
            _earlier.c.position < _c.position,
        ),
    )
    .order_by(_c.due_at)
    .limit(sa.bindparam("limit"))
    .with_for_update(skip_locked=True, of=webhook_deliveries)
)
_later = database_time(sa.bindparam("offset_us", type_=sa.BigInteger))
_are_these = _c.delivery_id.in_(sa.bindparam("ids", expanding=True))
_TAKE = sa.update(webhook_deliveries).where(_are_these).values(due_at=_later, claims=_c.claims + 1)
_OUTCOME = ("status", "attempts", "attempt_count", "retry_until", "settled_at")
_is_as_claimed = sa.and_(
    _c.delivery_id == sa.bindparam("id"), _c.status == _PENDING, _c.claims == sa.bindparam("claimed")
)
_outcome = {name: sa.bindparam(f"new_{name}", type_=_c[name].type) for name in _OUTCOME}
_SETTLE = sa.update(webhook_deliveries).where(_is_as_claimed).values(**_outcome, due_at=None)
_DEFER = sa.update(webhook_deliveries).where(_is_as_claimed).values(**_outcome, due_at=_later)
_REDELIVER = (
    sa.update(webhook_deliveries)
    .where(_c.delivery_id == sa.bindparam("id"))
    .values(status=_PENDING, due_at=database_time(), retry_until=None, settled_at=None, claims=_c.claims + 1)
)
_newest_first = (_c.occurred_at.desc(), _c.delivery_id.desc())
_of_caller = sa.and_(
    _c.tenant == sa.bindparam("of_tenant"),
    sa.or_(
        sa.bindparam("of_project", type_=sa.Integer).is_(None),
        _c.project_id == sa.bindparam("of_project", type_=sa.Integer),
    ),
)
# A caller of one project does not see the deliveries to webhooks of the whole tenant.
_is_shown = sa.or_(
    sa.bindparam("of_project", type_=sa.Integer).is_(None),
    _c.webhook_id.is_(None),
    sa.exists().where(
        webhooks.c.webhook_id == _c.webhook_id,
        webhooks.c.project_id == sa.bindparam("of_project", type_=sa.Integer),
    ),
)
_OF_SUBJECT = (
    sa.select(webhook_deliveries)
    .where(_c.subject == sa.bindparam("about"), _of_caller, _is_shown)
    .order_by(*_newest_first)
    .limit(sa.bindparam("limit"))
)
_GET = sa.select(webhook_deliveries).where(_c.delivery_id == sa.bindparam("id"), _of_caller)
_OLD = (
    sa.select(_c.delivery_id)
    .where(_c.settled_at < sa.bindparam("before"))
    .order_by(_c.settled_at)
    .limit(sa.bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_FORGET = sa.delete(webhook_deliveries).where(_are_these)


class SqlDeliveryRepository(DeliveryRepository):
    """Repository of deliveries, which are claimed in the order in which they are due."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, deliveries: Sequence[Delivery]) -> None:
        """Store new deliveries, due at once."""
        if not deliveries:
            return
        rows = [
            {
                "delivery_id": delivery.id,
                "tenant": delivery.tenant.value,
                "project_id": delivery.project,
                "webhook_id": delivery.webhook_id,
                "receiver": delivery.receiver,
                "event": delivery.event.value,
                "subject": delivery.subject,
                "position": delivery.position,
                "occurred_at": delivery.occurred_at,
                "claims": 0,
                **_outcome_of(delivery),
            }
            for delivery in deliveries
        ]
        self._connection.execute(_ADD, rows)

    def has_due(self) -> bool:
        """Return whether a delivery is due."""
        return self._connection.execute(_HAS_DUE).first() is not None

    def claim(self, wanted: DeliveryClaim) -> Sequence[Delivery]:
        """Claim due deliveries with a lease, and return them."""
        parameters = {
            "full": sorted(receiver for receiver, room in wanted.room.items() if room <= 0),
            "busy": sorted(tenant for tenant, room in wanted.tenant_room.items() if room <= 0),
            "limit": _READ_PER_CLAIM * wanted.limit,
        }
        rows = self._connection.execute(_DUE, parameters).mappings().all()
        chosen = _fair_share(rows, wanted)
        if chosen:
            ids = sorted(row["delivery_id"] for row in chosen)
            self._connection.execute(_TAKE, {"ids": ids, "offset_us": microseconds(wanted.lease_s)})
        return [_to_delivery(row, claims=row["claims"] + 1) for row in chosen]

    def store_attempt(self, before: Delivery, after: Delivery, due_in_s: float = 0.0) -> bool:
        """Store the outcome of an attempt; return False if the delivery was claimed again meanwhile."""
        new = {f"new_{name}": value for name, value in _outcome_of(after).items()}
        values = {"id": before.id, "claimed": before.claims, **new}
        if after.status is not DeliveryStatus.PENDING:
            return self._connection.execute(_SETTLE, values).rowcount == 1
        due = {"offset_us": microseconds(due_in_s)}
        return self._connection.execute(_DEFER, {**values, **due}).rowcount == 1

    def redeliver(self, delivery: Delivery) -> None:
        """Make a delivery due at once."""
        self._connection.execute(_REDELIVER, {"id": delivery.id})

    def of_webhook(self, webhook_id: WebhookId, wanted: DeliveryFilter) -> Sequence[Delivery]:
        """Return deliveries to a webhook, newest first."""
        statement = sa.select(webhook_deliveries).where(_c.webhook_id == webhook_id)
        if wanted.status is not None:
            statement = statement.where(_c.status == wanted.status.value)
        if (last := wanted.cursor) is not None:
            statement = statement.where(
                sa.or_(
                    _c.occurred_at < last.at,
                    sa.and_(_c.occurred_at == last.at, _c.delivery_id < last.id),
                )
            )
        return self._list(statement.order_by(*_newest_first).limit(wanted.limit), {})

    def of_subject(self, caller: Caller, subject: UUID, limit: int) -> Sequence[Delivery]:
        """Return up to `limit` deliveries about a job or a batch, newest first.

        A caller of one project gets those to callbacks and to the webhooks of its project, deleted or not.
        """
        return self._list(_OF_SUBJECT, {"about": subject, "limit": limit, **_reach(caller)})

    def get(self, caller: Caller, delivery_id: DeliveryId) -> Delivery | None:
        """Return the delivery with an id, or None if the caller can access none."""
        return next(iter(self._list(_GET, {"id": delivery_id, **_reach(caller)})), None)

    def forget_of_any_tenant(self, before: datetime, limit: int) -> int:
        """Remove up to `limit` deliveries that were settled before a time; return their number."""
        old = self._connection.execute(_OLD, {"before": before, "limit": limit}).scalars().all()
        if old:
            self._connection.execute(_FORGET, {"ids": sorted(old)})
        return len(old)

    def _list(self, statement: sa.Select[Any], parameters: Mapping[str, object]) -> list[Delivery]:
        return [_to_delivery(row) for row in self._connection.execute(statement, parameters).mappings()]


def _fair_share(rows: Collection[sa.RowMapping], wanted: DeliveryClaim) -> list[sa.RowMapping]:
    """Return the rows to claim, within the limits of each receiver and each tenant."""
    of_receiver: Counter[str] = Counter()
    of_tenant: Counter[str] = Counter()
    chosen: list[sa.RowMapping] = []
    for row in rows:
        receiver, tenant = row["receiver"], row["tenant"]
        room = min(
            wanted.room.get(receiver, wanted.per_receiver) - of_receiver[receiver],
            wanted.tenant_room.get(tenant, wanted.per_tenant) - of_tenant[tenant],
            wanted.limit - len(chosen),
        )
        if room > 0:
            of_receiver[receiver] += 1
            of_tenant[tenant] += 1
            chosen.append(row)
    return chosen


def _reach(caller: Caller) -> dict[str, object]:
    return {"of_tenant": caller.tenant.name.value, "of_project": caller.project}


def _outcome_of(delivery: Delivery) -> dict[str, object]:
    return {
        "status": delivery.status.value,
        "attempts": [_attempt_values(attempt) for attempt in delivery.attempts],
        "attempt_count": delivery.attempt_count,
        "retry_until": delivery.retry_until,
        "settled_at": delivery.settled_at,
    }


def _attempt_values(attempt: Attempt) -> dict[str, object]:
    return {
        "at": attempt.at.astimezone(UTC).isoformat(),
        "duration_ms": attempt.duration_ms,
        "status": attempt.status,
        "error": attempt.error,
        "answer": attempt.answer,
    }


def _to_attempt(values: Mapping[str, Any]) -> Attempt:
    return Attempt(
        at=datetime.fromisoformat(values["at"]),
        duration_ms=values["duration_ms"],
        status=values["status"],
        error=values["error"],
        answer=values["answer"],
    )


def _to_delivery(row: sa.RowMapping, claims: int | None = None) -> Delivery:
    return Delivery(
        id=DeliveryId(row["delivery_id"]),
        tenant=TenantName(row["tenant"]),
        project=row["project_id"],
        webhook_id=row["webhook_id"],
        receiver=row["receiver"],
        event=WebhookEvent(row["event"]),
        subject=row["subject"],
        occurred_at=row["occurred_at"],
        status=DeliveryStatus(row["status"]),
        attempts=tuple(map(_to_attempt, row["attempts"])),
        attempt_count=row["attempt_count"],
        retry_until=row["retry_until"],
        settled_at=row["settled_at"],
        next_attempt_at=row["due_at"],
        claims=row["claims"] if claims is None else claims,
    )
