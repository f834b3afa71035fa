"""Webhooks: a project's subscriptions to events.

ACTIVE ──failures, 410, its owner──> DISABLED
   │  <──enable────────────────────────  │
   └──────────────delete─────────────────┴─> DELETED
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from domain.catalogue.text import text
from domain.delivery import Attempt
from domain.errors import InvalidValue, WebhookTransitionRefused
from domain.sealed_secrets import SealedSecrets
from domain.tenant import TenantName
from domain.values import ProjectId, WebhookId
from domain.webhook_event import SUBSCRIBED, WebhookEvent
from domain.webhook_url import WebhookUrl


class WebhookStatus(StrEnum):
    """Whether a webhook gets events."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"
    DELETED = "DELETED"


class WebhookTrigger(StrEnum):
    """Causes of a change that its owner requests."""

    ENABLE = "enable"
    DISABLE = "disable"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A subscription to the events of a project, or of all projects of a tenant.

    Attributes:
        project: The project; None for all projects of the tenant.
        secret: The secret that signs, sealed for the webhook.
        previous_secret: The previous secret, which also signs until `previous_until`.
        disabled_because: A sentence on why it is disabled; None while it is not.
        failing_since: The time of the first failure since the last success.

    Raises:
        InvalidValue: It has no event, or an event that is not about a job or a batch.
    """

    id: WebhookId
    tenant: TenantName
    project: ProjectId | None
    url: WebhookUrl
    events: frozenset[WebhookEvent]
    secret: SealedSecrets
    created_at: datetime
    created_by: str
    status: WebhookStatus = WebhookStatus.ACTIVE
    previous_secret: SealedSecrets | None = None
    previous_until: datetime | None = None
    disabled_because: str | None = None
    failing_since: datetime | None = None

    def __post_init__(self) -> None:
        if not self.events or not self.events <= set(SUBSCRIBED):
            raise InvalidValue("events", text("problems.webhook_events", events=", ".join(SUBSCRIBED)))

    def secrets(self, now: datetime) -> tuple[SealedSecrets, ...]:
        """Return the secrets that sign at a time, newest first."""
        if self.previous_secret is None or self.previous_until is None or self.previous_until <= now:
            return (self.secret,)
        return self.secret, self.previous_secret

    def rotate(self, secret: SealedSecrets, now: datetime, overlap: timedelta) -> Self:
        """Set a new secret; the present one also signs during the overlap."""
        return replace(self, secret=secret, previous_secret=self.secret, previous_until=now + overlap)

    def enable(self) -> Self:
        """Reactivate the webhook."""
        return replace(self, status=WebhookStatus.ACTIVE, disabled_because=None, failing_since=None)

    def disable(self, reason: str) -> Self:
        """Disable the webhook until it is enabled again."""
        if self.status is WebhookStatus.DISABLED:
            return self
        return replace(self, status=WebhookStatus.DISABLED, disabled_because=reason)

    def apply(self, trigger: WebhookTrigger) -> Self:
        """Change it as its owner requests."""
        match trigger:
            case WebhookTrigger.ENABLE:
                return self.enable()
            case WebhookTrigger.DISABLE:
                return self.disable("Its owner disabled it.")
            case WebhookTrigger.DELETE:
                return replace(self, status=WebhookStatus.DELETED)

    def ensure_active(self) -> None:
        """Require that the webhook is active.

        Raises:
            WebhookTransitionRefused: The webhook is disabled.
        """
        if self.status is not WebhookStatus.ACTIVE:
            raise WebhookTransitionRefused(text("problems.webhook_disabled", status=self.status))

    def after(self, attempt: Attempt, disabled_after: timedelta) -> Self:
        """Return the webhook after an attempt: disabled if its receiver is gone or failed for too long."""
        if attempt.is_success:
            return self if self.failing_since is None else replace(self, failing_since=None)
        if attempt.is_gone:
            return self.disable("The receiver answered 410 Gone.")
        since = self.failing_since or attempt.at
        failing = replace(self, failing_since=since)
        if attempt.at - since < disabled_after:
            return failing
        hours = disabled_after / timedelta(hours=1)
        return failing.disable(f"The receiver failed for {hours:g} hours, without a success in between.")
