"""Deliveries to webhooks in memory."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from application.ports.delivery_repository import DeliveryClaim, DeliveryFilter, DeliveryRepository
from domain.caller import Caller
from domain.delivery import Delivery, DeliveryId, DeliveryStatus
from domain.values import WebhookId
from tests.support.memory.database import StoredDelivery, Tables


class MemoryDeliveryRepository(DeliveryRepository):
    """The deliveries in a transaction's tables."""

    def __init__(self, tables: Tables, now: Callable[[], datetime]) -> None:
        self._deliveries = tables.deliveries
        self._webhooks = tables.webhooks
        self._now = now

    def add(self, deliveries: Sequence[Delivery]) -> None:
        """Store new deliveries, which are due at once."""
        for delivery in deliveries:
            self._deliveries[delivery.id] = StoredDelivery(delivery, self._now())

    def has_due(self) -> bool:
        """Return whether a delivery is due."""
        return bool(self._due())

    def claim(self, wanted: DeliveryClaim) -> Sequence[Delivery]:
        """Return deliveries that are due, and lease them."""
        claimed: list[Delivery] = []
        of_receiver: Counter[str] = Counter()
        of_tenant: Counter[str] = Counter()
        for stored in self._due():
            delivery = stored.delivery
            tenant = delivery.tenant.value
            room = min(
                wanted.room.get(delivery.receiver, wanted.per_receiver) - of_receiver[delivery.receiver],
                wanted.tenant_room.get(tenant, wanted.per_tenant) - of_tenant[tenant],
                wanted.limit - len(claimed),
            )
            if room <= 0 or self._has_earlier(delivery):
                continue
            of_receiver[delivery.receiver] += 1
            of_tenant[tenant] += 1
            taken = replace(delivery, claims=delivery.claims + 1)
            self._store(taken, wanted.lease_s)
            claimed.append(replace(taken, next_attempt_at=stored.due_at))
        return claimed

    def store_attempt(self, before: Delivery, after: Delivery, due_in_s: float = 0.0) -> bool:
        """Store the outcome of a claimed delivery."""
        stored = self._deliveries.get(before.id)
        if stored is None or stored.delivery.status is not DeliveryStatus.PENDING:
            return False
        if stored.delivery.claims != before.claims:
            return False
        self._store(replace(after, claims=before.claims), due_in_s)
        return True

    def redeliver(self, delivery: Delivery) -> None:
        """Make a delivery due at once."""
        stored = self._deliveries[delivery.id].delivery
        self._store(replace(stored.again(), claims=stored.claims + 1), 0)

    def of_webhook(self, webhook_id: WebhookId, wanted: DeliveryFilter) -> Sequence[Delivery]:
        """Return deliveries to a webhook, newest first."""
        found = [one for one in self._newest_first() if one.webhook_id == webhook_id]
        if wanted.status is not None:
            found = [one for one in found if one.status is wanted.status]
        if wanted.cursor is not None:
            last = (wanted.cursor.at, wanted.cursor.id)
            found = [one for one in found if (one.occurred_at, one.id) < last]
        return found[: wanted.limit]

    def of_subject(self, caller: Caller, subject: UUID, limit: int) -> Sequence[Delivery]:
        """Return the deliveries about a job or a batch, newest first."""
        found = [
            one
            for one in self._newest_first()
            if one.subject == subject and _is_reached(caller, one) and self._is_shown(caller, one)
        ]
        return found[:limit]

    def get(self, caller: Caller, delivery_id: DeliveryId) -> Delivery | None:
        """Return a delivery, or None if the caller reaches none with that id."""
        found = [one for one in self._newest_first() if one.id == delivery_id and _is_reached(caller, one)]
        return next(iter(found), None)

    def forget_of_any_tenant(self, before: datetime, limit: int) -> int:
        """Remove deliveries that were settled before a time; return their number."""
        old = [
            stored.delivery.id
            for stored in self._deliveries.values()
            if stored.delivery.settled_at is not None and stored.delivery.settled_at < before
        ][:limit]
        for delivery_id in old:
            del self._deliveries[delivery_id]
        return len(old)

    def _is_shown(self, caller: Caller, delivery: Delivery) -> bool:
        if caller.project is None or delivery.webhook_id is None:
            return True
        webhook = self._webhooks.get(delivery.webhook_id)
        return webhook is not None and webhook.project == caller.project

    def _due(self) -> Sequence[StoredDelivery]:
        now = self._now()
        due = [
            stored
            for stored in self._deliveries.values()
            if stored.delivery.status is DeliveryStatus.PENDING and stored.due_at <= now
        ]
        return sorted(due, key=lambda stored: stored.due_at)

    def _has_earlier(self, delivery: Delivery) -> bool:
        return any(
            other.status is DeliveryStatus.PENDING
            and (other.subject, other.receiver) == (delivery.subject, delivery.receiver)
            and other.position < delivery.position
            for other in (stored.delivery for stored in self._deliveries.values())
        )

    def _store(self, delivery: Delivery, due_in_s: float) -> None:
        due_at = self._now() + timedelta(seconds=due_in_s)
        self._deliveries[delivery.id] = StoredDelivery(delivery, due_at)

    def _newest_first(self) -> Sequence[Delivery]:
        shown = [
            replace(
                stored.delivery,
                next_attempt_at=stored.due_at if stored.delivery.status is DeliveryStatus.PENDING else None,
            )
            for stored in self._deliveries.values()
        ]
        return sorted(shown, key=lambda one: (one.occurred_at, one.id), reverse=True)


def _is_reached(caller: Caller, delivery: Delivery) -> bool:
    return delivery.tenant == caller.tenant.name and caller.project in {None, delivery.project}
