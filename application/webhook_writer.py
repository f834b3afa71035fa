"""Storage of webhook deliveries for domain events, in the transaction of the event."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from threading import Lock
from typing import NamedTuple
from uuid import UUID

from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction
from application.ports.webhook_repository import Subscriber
from domain.batch import Batch
from domain.delivery import Delivery, DeliveryId
from domain.events import BatchCompleted, Event, JobCancelled, JobCompleted, JobStarted
from domain.job import Job
from domain.tenant import TenantName
from domain.values import ProjectId, WebhookId
from domain.webhook import Webhook
from domain.webhook_event import CALLED_BACK, WebhookEvent
from domain.webhook_url import WebhookUrl, receiver_digest

# How long, in seconds, the list of projects with webhooks is cached. The response to a request that creates
# or enables a webhook is delayed by as much, so that from then on no process misses an event for it.
SUBSCRIBERS_KNOWN_S = 0.5
# The list is cached only up to this size; if there are more, every event reads the webhooks of its project.
_MAX_KNOWN = 1_000
# The maximum number of subjects whose deliveries are stored but whose commit is not yet known.
_MAX_NOTED = 10_000
_EVENTS: dict[type[Event], WebhookEvent] = {
    JobStarted: WebhookEvent.JOB_STARTED,
    JobCompleted: WebhookEvent.JOB_COMPLETED,
    JobCancelled: WebhookEvent.JOB_CANCELLED,
}


class _About(NamedTuple):
    """The subject of an event (a job or a batch), its owner, and the time."""

    tenant: TenantName
    project: ProjectId | None
    subject: UUID
    occurred_at: datetime


class WebhookWriter:
    """Stores the deliveries of an event to its callback and to the webhooks of its project.

    * Deliveries are stored in the transaction of the event.
    * An event of a project without webhooks needs no statement. The list of projects with webhooks is read at
      most twice a second, and only while there are events.
    """

    def __init__(self, clock: Clock, ids: IdGenerator) -> None:
        self._clock = clock
        self._ids = ids
        self._read_at: float | None = None
        self._subscribers: Collection[Subscriber] | None = ()
        self._lock = Lock()
        self._noted: dict[UUID, None] = {}

    def add_job_events(
        self, transaction: Transaction, events: Iterable[tuple[Event, Job]], *, noted: UUID
    ) -> None:
        """Store the deliveries of events of jobs.

        Args:
            transaction: The transaction of the events.
            events: The events, each with its job after the event.
            noted: The job or batch that identifies the message about them.
        """
        listening: dict[ProjectId, Sequence[Webhook]] = {}
        deliveries: list[Delivery] = []
        for event, job in events:
            kind = _EVENTS.get(type(event))
            if kind is None:
                continue
            if job.project_id not in listening:
                listening[job.project_id] = self._listening(transaction, job.tenant, job.project_id)
            about = _About(job.tenant, job.project_id, job.id, event.occurred_at)
            deliveries += self._deliveries(about, kind, job.spec.callback_url, listening[job.project_id])
        self.store(transaction, deliveries, noted=noted)

    def add_batch_event(self, transaction: Transaction, event: BatchCompleted, batch: Batch) -> None:
        """Store the deliveries of the end of a batch."""
        listening = self._listening(transaction, batch.tenant, batch.project_id)
        about = _About(batch.tenant, batch.project_id, batch.id, event.occurred_at)
        deliveries = self._deliveries(about, WebhookEvent.BATCH_COMPLETED, batch.callback_url, listening)
        self.store(transaction, list(deliveries), noted=batch.id)

    def store(self, transaction: Transaction, deliveries: Sequence[Delivery], *, noted: UUID) -> None:
        """Store deliveries, and remember their subject."""
        if not deliveries:
            return
        transaction.deliveries.add(deliveries)
        with self._lock:
            self._noted[noted] = None
            if len(self._noted) > _MAX_NOTED:
                del self._noted[next(iter(self._noted))]

    def take_noted(self, subject: UUID) -> bool:
        """Return whether this process stored deliveries of a job or a batch since the last call for it."""
        if not self._noted:
            return False
        with self._lock:
            return self._noted.pop(subject, self) is None

    def _deliveries(
        self, about: _About, event: WebhookEvent, callback_url: str | None, listening: Sequence[Webhook]
    ) -> Iterator[Delivery]:
        if callback_url is not None and event in CALLED_BACK:
            receiver = receiver_digest(about.tenant.value, WebhookUrl(callback_url))
            yield self._delivery(about, event, receiver, None)
        for webhook in listening:
            if event in webhook.events:
                yield self._delivery(about, event, str(webhook.id), webhook.id)

    def _delivery(
        self, about: _About, event: WebhookEvent, receiver: str, webhook_id: WebhookId | None
    ) -> Delivery:
        return Delivery(
            id=DeliveryId(self._ids.new()),
            tenant=about.tenant,
            project=about.project,
            webhook_id=webhook_id,
            receiver=receiver,
            event=event,
            subject=about.subject,
            occurred_at=about.occurred_at,
        )

    def _listening(
        self, transaction: Transaction, tenant: TenantName, project: ProjectId | None
    ) -> Sequence[Webhook]:
        """Return the webhooks of a project, or the tenant-wide ones for a batch of several projects."""
        now = self._clock.monotonic()
        if self._read_at is None or now - self._read_at >= SUBSCRIBERS_KNOWN_S:
            found = transaction.webhooks.subscribers_of_any_tenant(_MAX_KNOWN + 1)
            self._subscribers = found if len(found) <= _MAX_KNOWN else None
            self._read_at = now
        known = self._subscribers
        if known is not None and (tenant, project) not in known and (tenant, None) not in known:
            return ()
        return transaction.webhooks.listening(tenant, project)
