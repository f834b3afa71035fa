"""The port to stored webhooks: the subscriptions."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import TypeAlias

from application.errors import NotFound
from domain.caller import Caller
from domain.tenant import TenantName
from domain.values import ProjectId
from domain.webhook import Webhook, WebhookId

# A project that has subscriptions, or a tenant that has some for all of its projects.
Subscriber: TypeAlias = tuple[TenantName, ProjectId | None]


class WebhookRepository(ABC):
    """The webhooks. A caller reaches its tenant's, or one project's, alone, and none that is deleted."""

    @abstractmethod
    def add(self, webhook: Webhook) -> None:
        """Store a new webhook."""

    @abstractmethod
    def get(self, caller: Caller, webhook_id: WebhookId) -> Webhook | None:
        """Return a webhook, or None if the caller reaches none of that id."""

    def get_or_raise(self, caller: Caller, webhook_id: WebhookId) -> Webhook:
        """Return a webhook.

        Raises:
            NotFound: The caller reaches no such webhook.
        """
        webhook = self.get(caller, webhook_id)
        if webhook is None:
            raise NotFound("webhook", webhook_id)
        return webhook

    @abstractmethod
    def get_of_any_tenant(self, webhook_id: WebhookId) -> Webhook | None:
        """Return a webhook in any status, or None if there is none of that id."""

    @abstractmethod
    def all(self, caller: Caller, project: ProjectId | None = None) -> Sequence[Webhook]:
        """Return the webhooks that the caller reaches, perhaps of one project, the oldest first."""

    @abstractmethod
    def count(self, tenant: TenantName) -> int:
        """Return how many webhooks a tenant has, without the deleted ones."""

    @abstractmethod
    def listening(self, tenant: TenantName, project: ProjectId | None) -> Sequence[Webhook]:
        """Return the active webhooks that get the events of a project; without one, of the tenant alone."""

    @abstractmethod
    def subscribers_of_any_tenant(self, limit: int) -> Collection[Subscriber]:
        """Return the projects and tenants with active webhooks, so many at most."""

    @abstractmethod
    def replace(self, before: Webhook, after: Webhook) -> None:
        """Store the state and the secrets of a webhook.

        Raises:
            ConcurrencyConflict: Its state or its secret is not as before any more.
        """

    @abstractmethod
    def remove_deleted_of_any_tenant(self, limit: int) -> int:
        """Remove so many deliveries of a deleted webhook at most, or the webhook if it has none.

        Returns how many rows were removed.
        """
