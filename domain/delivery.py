"""Deliveries: events on their way to receivers.

PENDING ──2xx──────────────> DELIVERED
   │ <──redeliver── ...          │
   └──410, time is up──> FAILED <┘ redeliver
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from domain.tenant import TenantName
from domain.values import ProjectId, WebhookId
from domain.webhook_event import WebhookEvent

DeliveryId = NewType("DeliveryId", UUID)

# The maximum number of attempts that are kept per delivery: the latest ones.
MAX_ATTEMPTS_KEPT = 50
ANSWER_MAX_CHARS = 500
ERROR_MAX_CHARS = 300
_GONE = 410
# The position of an event among the events of a job: a receiver gets later events after earlier ones.
_POSITIONS: Mapping[WebhookEvent, int] = {WebhookEvent.JOB_STARTED: 1}
_LAST = 2


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
