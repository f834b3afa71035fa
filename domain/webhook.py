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
from domain.submission import SealedSecrets
from domain.tenant import TenantName
from domain.values import ProjectId
from domain.webhook_url import WebhookUrl

WebhookId = NewType("WebhookId", UUID)
DeliveryId = NewType("DeliveryId", UUID)

# The latest ones of a delivery are kept.
MAX_ATTEMPTS_KEPT = 50
ANSWER_MAX_CHARS = 500
ERROR_MAX_CHARS = 300
_GONE = 410


class WebhookEvent(StrEnum):
    """The type of an event, as receivers get it."""

    JOB_STARTED = "job.started"
    JOB_COMPLETED = "job.completed"
    JOB_CANCELLED = "job.cancelled"
    BATCH_COMPLETED = "batch.completed"
    TEST = "webhook.test"


# The events that a subscription may name.
SUBSCRIBED = tuple(event for event in WebhookEvent if event is not WebhookEvent.TEST)
# The events of a callback: the ends.
CALLED_BACK = frozenset(
    {WebhookEvent.JOB_COMPLETED, WebhookEvent.JOB_CANCELLED, WebhookEvent.BATCH_COMPLETED}
)
# The place of an event among the events of one job: a receiver gets a later one after an earlier one.
_POSITIONS: Mapping[WebhookEvent, int] = {WebhookEvent.JOB_STARTED: 1}
_LAST = 2


class WebhookStatus(StrEnum):
    """Whether a subscription gets events."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"
    DELETED = "DELETED"


class WebhookTrigger(StrEnum):
    """Causes of a change that its owner asks for."""

    ENABLE = "enable"
    DISABLE = "disable"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A subscription to the events of a project, or of all projects of a tenant.

    Attributes:
        project: The project; None for all of the tenant's.
        secret: The secret that signs, sealed for the subscription.
        previous_secret: The one before it, which signs too until `previous_until`.
        disabled_because: A sentence on why it is disabled; None while it is not.
        failing_since: When the first of the failures was that no success has followed.

    Raises:
        InvalidValue: It has no event, or one that is no event of a job or a batch.
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
        """Return the secrets that sign at a time, the newest first."""
        if self.previous_secret is None or self.previous_until is None or self.previous_until <= now:
            return (self.secret,)
        return self.secret, self.previous_secret

    def rotate(self, secret: SealedSecrets, now: datetime, overlap: timedelta) -> Self:
        """Give it another secret, beside which the present one signs for an overlap."""
        return replace(self, secret=secret, previous_secret=self.secret, previous_until=now + overlap)

    def enable(self) -> Self:
        """Have it get events again."""
        return replace(self, status=WebhookStatus.ACTIVE, disabled_because=None, failing_since=None)

    def disable(self, reason: str) -> Self:
        """Have it get no events, until it is enabled."""
        if self.status is WebhookStatus.DISABLED:
            return self
        return replace(self, status=WebhookStatus.DISABLED, disabled_because=reason)

    def apply(self, trigger: WebhookTrigger) -> Self:
        """Change it as its owner wants."""
        match trigger:
            case WebhookTrigger.ENABLE:
                return self.enable()
            case WebhookTrigger.DISABLE:
                return self.disable("Its owner disabled it.")
            case WebhookTrigger.DELETE:
                return replace(self, status=WebhookStatus.DELETED)

    def ensure_active(self) -> None:
        """Refuse to post to a subscription that is disabled.

        Raises:
            WebhookTransitionRefused: It is.
        """
        if self.status is not WebhookStatus.ACTIVE:
            raise WebhookTransitionRefused(text("problems.webhook_disabled", status=self.status))

    def after(self, attempt: "Attempt", disabled_after: timedelta) -> Self:
        """Return the subscription after an attempt: disabled where its receiver is gone or fails for long."""
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
    """Whether a delivery is to be attempted (PENDING), has arrived, or is given up (a dead letter)."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt to post an event.

    Attributes:
        duration_ms: The time that the post took; None where nothing was posted.
        status: The status of the answer; None where none came.
        error: A sentence on the failure; None for a success.
        answer: The beginning of the answer's body.
    """

    at: datetime
    duration_ms: int | None
    status: int | None = None
    error: str | None = None
    answer: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the receiver has taken the event: with a status of 2xx."""
        return self.error is None

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no events any more."""
        return self.status == _GONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An event on its way to one receiver. Its id is the message's, the same for each attempt.

    Attributes:
        webhook_id: The subscription; None for the callback of a job or a batch.
        receiver: The name under which its receiver's failures and posts are counted.
        subject: The job, the batch, or the subscription of a test.
        attempts: The latest attempts, in their order.
        attempt_count: The number of all attempts.
        retry_until: When the last attempt is, at the latest; None before the first.
        next_attempt_at: When it is attempted next, by the database's time; None if that is never.
        claims: How often it was taken for an attempt: the fence of an attempt's outcome.
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
        """Its place among the events of its subject."""
        return _POSITIONS.get(self.event, _LAST)

    def after(self, attempt: Attempt, retried_for: timedelta) -> Self:
        """Return the delivery after an attempt: settled, or to be attempted again."""
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
        """End it."""
        return replace(self, status=status, settled_at=now, next_attempt_at=None)

    def again(self) -> Self:
        """Have it attempted again, for as long as a new one."""
        return replace(self, status=DeliveryStatus.PENDING, retry_until=None, settled_at=None)
