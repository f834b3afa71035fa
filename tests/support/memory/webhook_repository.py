"""Webhooks in memory."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from application.errors import ConcurrencyConflict
from application.ports.webhook_repository import Subscriber, WebhookRepository
from domain.caller import Caller
from domain.tenant import TenantName
from domain.values import ProjectId, WebhookId
from domain.webhook import Webhook, WebhookStatus
from tests.support.memory.database import Tables


class MemoryWebhookRepository(WebhookRepository):
    """The webhooks in a transaction's tables."""

    def __init__(self, tables: Tables) -> None:
        self._webhooks = tables.webhooks
        self._deliveries = tables.deliveries

    def add(self, webhook: Webhook) -> None:
        """Store a new webhook."""
        self._webhooks[webhook.id] = webhook

    def get(self, caller: Caller, webhook_id: WebhookId) -> Webhook | None:
        """Return a webhook, or None if the caller reaches none with that id."""
        return next((webhook for webhook in self.all(caller) if webhook.id == webhook_id), None)

    def get_of_any_tenant(self, webhook_id: WebhookId) -> Webhook | None:
        """Return a webhook in any status, or None if there is none with that id."""
        return self._webhooks.get(webhook_id)

    def all(self, caller: Caller, project: ProjectId | None = None) -> Sequence[Webhook]:
        """Return the webhooks that the caller reaches, oldest first."""
        found = [
            webhook
            for webhook in self._webhooks.values()
            if webhook.tenant == caller.tenant.name
            and webhook.status is not WebhookStatus.DELETED
            and caller.project in {None, webhook.project}
            and project in {None, webhook.project}
        ]
        return sorted(found, key=lambda webhook: (webhook.created_at, webhook.id))

    def count(self, tenant: TenantName) -> int:
        """Return the number of a tenant's webhooks."""
        kept = [one for one in self._webhooks.values() if one.status is not WebhookStatus.DELETED]
        return sum(webhook.tenant == tenant for webhook in kept)

    def listening(self, tenant: TenantName, project: ProjectId | None) -> Sequence[Webhook]:
        """Return the active webhooks that receive the events of a project."""
        found = [one for one in self._active() if one.tenant == tenant and one.project in {None, project}]
        return sorted(found, key=lambda webhook: webhook.id)

    def subscribers_of_any_tenant(self, limit: int) -> Collection[Subscriber]:
        """Return up to `limit` projects and tenants with active webhooks."""
        return set(list({(webhook.tenant, webhook.project) for webhook in self._active()})[:limit])

    def replace(self, before: Webhook, after: Webhook) -> None:
        """Store the state and the secrets of a webhook."""
        stored = self._webhooks.get(before.id)
        if stored is None or (stored.status, stored.secret) != (before.status, before.secret):
            raise ConcurrencyConflict(f"webhook {before.id} was changed in the meantime")
        self._webhooks[before.id] = replace(
            stored,
            status=after.status,
            secret=after.secret,
            previous_secret=after.previous_secret,
            previous_until=after.previous_until,
            disabled_because=after.disabled_because,
            failing_since=after.failing_since,
        )

    def remove_deleted_of_any_tenant(self, limit: int) -> int:
        """Remove deliveries of a deleted webhook, or the webhook if it has none."""
        deleted = [one.id for one in self._webhooks.values() if one.status is WebhookStatus.DELETED]
        for webhook_id in deleted[:1]:
            to_it = [
                one.delivery.id for one in self._deliveries.values() if one.delivery.webhook_id == webhook_id
            ]
            for delivery_id in to_it[:limit]:
                del self._deliveries[delivery_id]
            if not to_it:
                del self._webhooks[webhook_id]
            return len(to_it[:limit]) or 1
        return 0

    def _active(self) -> Sequence[Webhook]:
        return [one for one in self._webhooks.values() if one.status is WebhookStatus.ACTIVE]
