"""Webhooks: a project's subscriptions to events, and the deliveries of events.

Subscription                                          Delivery
ACTIVE ──failures, 410, its owner──> DISABLED         PENDING ──2xx──────────────> DELIVERED
   │  <──enable────────────────────────  │               │ <──redeliver── ...          │
   └──────────────delete─────────────────┴─> DELETED     └──410, time is up──> FAILED <┘ redeliver
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from domain.catalogue.text import text
from domain.errors import InvalidValue, WebhookTransitionRefused
from domain.sealed_secrets import SealedSecrets
from domain.tenant import TenantName
from domain.values import ProjectId
from domain.webhook_url import WebhookUrl

WebhookId = NewType("WebhookId", UUID)
DeliveryId = NewType("DeliveryId", UUID)

# The maximum number of attempts that are kept per delivery: the latest ones.
MAX_ATTEMPTS_KEPT = 50
ANSWER_MAX_CHARS = 500
ERROR_MAX_CHARS = 300
_GONE = 410


class WebhookEvent(StrEnum):
    """The type of an event, as receivers see it."""

    JOB_STARTED = "job.started"
    JOB_COMPLETED = "job.completed"
    JOB_CANCELLED = "job.cancelled"
    BATCH_COMPLETED = "batch.completed"
    TEST = "webhook.test"


# The events that a webhook may subscribe to.
SUBSCRIBED = tuple(event for event in WebhookEvent if event is not WebhookEvent.TEST)
# The events that a callback gets: ends of jobs and batches.
CALLED_BACK = frozenset(
    {WebhookEvent.JOB_COMPLETED, WebhookEvent.JOB_CANCELLED, WebhookEvent.BATCH_COMPLETED}
)
# The position of an event among the events of a job: a receiver gets later events after earlier ones.
_POSITIONS: Mapping[WebhookEvent, int] = {WebhookEvent.JOB_STARTED: 1}
_LAST = 2


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

    def after(self, attempt: "Attempt", disabled_after: timedelta) -> Self:
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


class DeliveryStatus(StrEnum):
    """Whether a delivery is still attempted (PENDING), was delivered, or was given up (a dead letter)."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt to post an event.

    Attributes:
        duration_ms: The duration of the request; None if nothing was posted.
        status: The status of the response; None if none came.
        error: A sentence on the failure; None for a success.
        answer: The beginning of the response body.
    """

    at: datetime
    duration_ms: int | None
    status: int | None = None
    error: str | None = None
    answer: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the receiver accepted the event, with a 2xx status."""
        return self.error is None

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no further events."""
        return self.status == _GONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An event on its way to one receiver. Its id is the message id, the same for each attempt.

    Attributes:
        webhook_id: The webhook; None for the callback of a job or a batch.
        receiver: The name under which its receiver's failures and requests are counted.
        subject: The job, the batch, or the id of a test delivery.
        attempts: The latest attempts, in order.
        attempt_count: The total number of attempts.
        retry_until: The latest time of an attempt; None before the first.
        next_attempt_at: When it is attempted next, in the database's time; None for never.
        claims: How often it was claimed for an attempt, which fences the attempt's outcome.
    """

    id: DeliveryId
    tenant: TenantName
    project: ProjectId | None
    webhook_id: WebhookId | None
    receiver: str
    event: WebhookEvent
    subject: UUID
    occurred_at: datetime
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempts: tuple[Attempt, ...] = ()
    attempt_count: int = 0
    retry_until: datetime | None = None
    settled_at: datetime | None = None
    next_attempt_at: datetime | None = None
    claims: int = 0

    @property
    def position(self) -> int:
        """Its position among the events of its subject."""
        return _POSITIONS.get(self.event, _LAST)

    def after(self, attempt: Attempt, retried_for: timedelta) -> Self:
        """Return the delivery after an attempt: settled, or still pending."""
        tried = replace(
            self,
            attempts=(*self.attempts, attempt)[-MAX_ATTEMPTS_KEPT:],
            attempt_count=self.attempt_count + 1,
            retry_until=self.retry_until or attempt.at + retried_for,
        )
        if attempt.is_success:
            return tried.settle(DeliveryStatus.DELIVERED, attempt.at)
        if attempt.is_gone or (tried.retry_until is not None and tried.retry_until <= attempt.at):
            return tried.settle(DeliveryStatus.FAILED, attempt.at)
        return tried

    def settle(self, status: DeliveryStatus, now: datetime) -> Self:
        """Settle it with a final status."""
        return replace(self, status=status, settled_at=now, next_attempt_at=None)

    def again(self) -> Self:
        """Make it pending again, to be attempted for as long as a new delivery."""
        return replace(self, status=DeliveryStatus.PENDING, retry_until=None, settled_at=None)
