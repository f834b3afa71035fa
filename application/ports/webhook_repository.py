"""The port to stored webhooks."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import TypeAlias

from application.errors import NotFound
from domain.caller import Caller
from domain.tenant import TenantName
from domain.values import ProjectId, WebhookId
from domain.webhook import Webhook

# A project with webhooks, or (without a project) a tenant with tenant-wide webhooks.
Subscriber: TypeAlias = tuple[TenantName, ProjectId | None]


class WebhookRepository(ABC):
    """The webhooks that are not deleted. A caller can access only its tenant's or its project's webhooks."""

    @abstractmethod
    def add(self, webhook: Webhook) -> None:
        """Store a new webhook."""

    @abstractmethod
    def get(self, caller: Caller, webhook_id: WebhookId) -> Webhook | None:
        """Return a webhook, or None if the caller can access none with that id."""

    def get_or_raise(self, caller: Caller, webhook_id: WebhookId) -> Webhook:
        """Return a webhook.

        Raises:
            NotFound: There is no such webhook, or the caller cannot access it.
        """
        webhook = self.get(caller, webhook_id)
        if webhook is None:
            raise NotFound("webhook", webhook_id)
        return webhook

    @abstractmethod
    def get_of_any_tenant(self, webhook_id: WebhookId) -> Webhook | None:
        """Return a webhook in any status, or None if there is none with that id."""

    @abstractmethod
    def all(self, caller: Caller, project: ProjectId | None = None) -> Sequence[Webhook]:
        """Return the webhooks that the caller can access, optionally of one project, oldest first."""

    @abstractmethod
    def count(self, tenant: TenantName) -> int:
        """Return how many webhooks a tenant has, not counting deleted ones."""

    @abstractmethod
    def listening(self, tenant: TenantName, project: ProjectId | None) -> Sequence[Webhook]:
        """Return the active webhooks that get a project's events; without a project, the tenant-wide ones."""

    @abstractmethod
    def subscribers_of_any_tenant(self, limit: int) -> Collection[Subscriber]:
        """Return up to `limit` projects and tenants with active webhooks."""

    @abstractmethod
    def replace(self, before: Webhook, after: Webhook) -> None:
        """Store the state and the secrets of a webhook.

        Raises:
            ConcurrencyConflict: Its state or its secret differs from `before`.
        """

    @abstractmethod
    def remove_deleted_of_any_tenant(self, limit: int) -> int:
        """Remove up to `limit` deliveries of a deleted webhook, or the webhook itself if it has none.

        Returns how many rows were removed.
        """
