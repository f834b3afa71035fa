"""Schemas of webhooks and deliveries."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from msgspec import Meta, Struct

from application.commands import CreateWebhookCommand
from application.use_cases.rotate_key import DEFAULT_OVERLAP_S, MAX_OVERLAP_S
from application.views import IssuedWebhook, WebhookView
from domain.delivery import Attempt, Delivery, DeliveryStatus
from domain.webhook_event import WebhookEvent


class SubscribedEvent(StrEnum):
    """The type of an event that a webhook may get."""

    JOB_STARTED = WebhookEvent.JOB_STARTED.value
    JOB_COMPLETED = WebhookEvent.JOB_COMPLETED.value
    JOB_CANCELLED = WebhookEvent.JOB_CANCELLED.value
    BATCH_COMPLETED = WebhookEvent.BATCH_COMPLETED.value


class WebhookState(StrEnum):
    """Whether a webhook gets events."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"


class WebhookRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """A subscription to create."""

    url: Annotated[
        str,
        Meta(
            description="The http or https URL to which events are posted.",
            examples=["https://example.com/hooks/jobs"],
        ),
    ]
    events: Annotated[
        tuple[SubscribedEvent, ...] | None,
        Meta(
            description="The events to post; by default, the ends of jobs and batches.",
            examples=[["job.completed", "job.cancelled"]],
        ),
    ] = None
    project: Annotated[
        str | None,
        Meta(description="The project, by name or by id as text; by default, all projects."),
    ] = None
    secret: Annotated[
        str | None,
        Meta(description="The secret that signs requests, `whsec_...`; by default, one is generated."),
    ] = None

    def command(self) -> CreateWebhookCommand:
        """Return the command."""
        events = DEFAULT_EVENTS if self.events is None else self.events
        return CreateWebhookCommand(
            url=self.url,
            events=frozenset(WebhookEvent(event.value) for event in events),
            project=self.project,
            secret=self.secret,
        )


DEFAULT_EVENTS = tuple(event for event in SubscribedEvent if event is not SubscribedEvent.JOB_STARTED)


class WebhookChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """A change of a webhook."""

    status: Annotated[WebhookState, Meta(description="Whether the webhook receives events.")]


class SecretRotation(Struct, kw_only=True, forbid_unknown_fields=True):
    """Options of a secret's rotation."""

    overlap_s: Annotated[
        int | None,
        Meta(
            description="Seconds for which the present secret signs beside its successor, 0 to "
            f"{MAX_OVERLAP_S}; {DEFAULT_OVERLAP_S} by default."
        ),
    ] = None


class WebhookResponse(Struct, kw_only=True):
    """A webhook, without its secret."""

    webhook_id: Annotated[str, Meta(examples=["01890a5d-ac96-774b-bcce-b302099a8057"])]
    url: str
    events: list[WebhookEvent]
    project: Annotated[
        str | None, Meta(description="The webhook's project; null for all projects of the tenant.")
    ]
    status: Annotated[str, Meta(description="ACTIVE or DISABLED; DELETED in the response to its deletion.")]
    disabled_reason: Annotated[
        str | None, Meta(description="Why the webhook is disabled; null if it is not.")
    ]
    failing_since: Annotated[
        datetime | None,
        Meta(description="When the first failure since the last success occurred; null if there is none."),
    ]
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, view: WebhookView, **more: str) -> Self:
        """Present a webhook."""
        webhook = view.webhook
        return cls(
            webhook_id=str(webhook.id),
            url=webhook.url.value,
            events=sorted(webhook.events),
            project=None if view.project is None else view.project.value,
            status=webhook.status.value,
            disabled_reason=webhook.disabled_because,
            failing_since=webhook.failing_since,
            created_at=webhook.created_at,
            created_by=webhook.created_by,
            **more,
        )


class IssuedWebhookResponse(WebhookResponse, kw_only=True):
    """A webhook with its new secret, which only this response contains."""

    secret: Annotated[str, Meta(description="The secret that signs requests, `whsec_...`.")]

    @classmethod
    def of_issued(cls, issued: IssuedWebhook) -> Self:
        """Present a webhook with its new secret."""
        return cls.of(issued.view, secret=issued.secret.value)


class DeliveryAttemptResponse(Struct, kw_only=True):
    """An attempt to post an event."""

    at: datetime
    duration_ms: Annotated[
        int | None, Meta(description="Duration of the attempt; null if nothing was posted.")
    ]
    status: Annotated[
        int | None, Meta(description="The HTTP status of the response; null if there was none.")
    ]
    error: Annotated[str | None, Meta(description="Why the attempt failed; null if it succeeded.")]
    answer: Annotated[
        str | None, Meta(description="The beginning of the response body; null if there was no response.")
    ]

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        """Present an attempt."""
        return cls(
            at=attempt.at,
            duration_ms=attempt.duration_ms,
            status=attempt.status,
            error=attempt.error,
            answer=attempt.answer,
        )


class DeliveryResponse(Struct, kw_only=True):
    """An event on its way to a receiver."""

    delivery_id: Annotated[str, Meta(description="The header `webhook-id` of each attempt.")]
    webhook_id: Annotated[str | None, Meta(description="The webhook; null for a callback.")]
    event: WebhookEvent
    subject_id: Annotated[
        str, Meta(description="The id of the job or batch; for a test event, that of the delivery itself.")
    ]
    status: DeliveryStatus
    occurred_at: datetime
    next_attempt_at: Annotated[
        datetime | None, Meta(description="When the next attempt is due; null if there is none.")
    ]
    retry_until: Annotated[
        datetime | None, Meta(description="When retries end; null before the first attempt.")
    ]
    settled_at: datetime | None
    attempt_count: int
    attempts: Annotated[list[DeliveryAttemptResponse], Meta(description="The latest attempts, in order.")]

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """Present a delivery."""
        return cls(
            delivery_id=str(delivery.id),
            webhook_id=None if delivery.webhook_id is None else str(delivery.webhook_id),
            event=delivery.event,
            subject_id=str(delivery.subject),
            status=delivery.status,
            occurred_at=delivery.occurred_at,
            next_attempt_at=delivery.next_attempt_at,
            retry_until=delivery.retry_until,
            settled_at=delivery.settled_at,
            attempt_count=delivery.attempt_count,
            attempts=[DeliveryAttemptResponse.of(attempt) for attempt in delivery.attempts],
        )
