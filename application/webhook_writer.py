"""The way of domain events to webhooks: deliveries are stored in the transaction of the event."""

from collections.abc import Collection, Iterable
from datetime import datetime
from threading import Lock
from uuid import UUID

from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction
from application.ports.webhook_repository import Subscriber
from domain.events import Event, JobCancelled, JobCompleted, JobStarted
from domain.job import Job
from domain.tenant import TenantName
from domain.values import ProjectId
from domain.webhook import CALLED_BACK, Delivery, DeliveryId, WebhookEvent, WebhookId
from domain.webhook_url import WebhookUrl, receiver_digest

# Seconds for which the projects with subscriptions are known without being read again. Whoever makes or
# enables a subscription answers so much later: from then on no process misses an event of it.
SUBSCRIBERS_KNOWN_S = 0.5
# As long as there are no more of them than this; else each event looks for its own.
_MAX_KNOWN = 1_000
# Subjects of deliveries whose commit is not known yet, at most.
_MAX_NOTED = 10_000
_EVENTS: dict[type[Event], WebhookEvent] = {
    JobStarted: WebhookEvent.JOB_STARTED,
    JobCompleted: WebhookEvent.JOB_COMPLETED,
    JobCancelled: WebhookEvent.JOB_CANCELLED,
}


class WebhookWriter:
    """Stores the deliveries of an event to its callback and its project's subscriptions.

    * They are stored with the event: in its transaction, or not at all.
    * An event of a project without subscriptions takes no statement. The projects that have some are read
      twice a second at most, and only while there are events.
    """

    def __init__(self, clock: Clock, ids: IdGenerator) -> None:
        self._clock = clock
        self._ids = ids
        self._read_at: float | None = None
        self._subscribers: Collection[Subscriber] | None = ()
        self._lock = Lock()
        self._noted: dict[UUID, None] = {}

    def add_job_events(self, transaction: Transaction, events: Iterable[Event], job: Job) -> None:
        """Store the deliveries of a job's events."""
        for event in events:
            kind = _EVENTS.get(type(event))
            if kind is not None:
                self.add(
                    transaction,
                    kind,
                    tenant=job.tenant,
                    project=job.project_id,
                    subject=job.id,
                    callback_url=job.spec.callback_url,
                    occurred_at=event.occurred_at,
                )

    def add(
        self,
        transaction: Transaction,
        event: WebhookEvent,
        *,
        tenant: TenantName,
        project: ProjectId,
        subject: UUID,
        callback_url: str | None,
        occurred_at: datetime,
    ) -> None:
        """Store the deliveries of one event.

        Args:
            transaction: The one of the event.
            event: Its type.
            tenant: The tenant of the subject.
            project: The project of the subject.
            subject: The job or the batch.
            callback_url: The callback of the subject.
            occurred_at: The time of the event.
        """

        def delivery(receiver: str, webhook_id: WebhookId | None = None) -> Delivery:
            return Delivery(
                id=DeliveryId(self._ids.new()),
                tenant=tenant,
                project=project,
                webhook_id=webhook_id,
                receiver=receiver,
                event=event,
                subject=subject,
                occurred_at=occurred_at,
            )

        deliveries: list[Delivery] = []
        if callback_url is not None and event in CALLED_BACK:
            deliveries.append(delivery(receiver_digest(tenant.value, WebhookUrl(callback_url))))
        if self._may_listen(transaction, tenant, project):
            listening = transaction.webhooks.listening(tenant, project)
            deliveries += [
                delivery(str(webhook.id), webhook.id) for webhook in listening if event in webhook.events
            ]
        if deliveries:
            self.store(transaction, deliveries)

    def store(self, transaction: Transaction, deliveries: Collection[Delivery]) -> None:
        """Store deliveries, and note their subjects."""
        transaction.deliveries.add(list(deliveries))
        with self._lock:
            for delivery in deliveries:
                self._noted[delivery.subject] = None
            while len(self._noted) > _MAX_NOTED:
                del self._noted[next(iter(self._noted))]

    def take_noted(self, subject: UUID) -> bool:
        """Return whether this process has stored deliveries of a subject since this was asked last."""
        if not self._noted:
            return False
        with self._lock:
            return self._noted.pop(subject, self) is None

    def _may_listen(self, transaction: Transaction, tenant: TenantName, project: ProjectId) -> bool:
        now = self._clock.monotonic()
        if self._read_at is None or now - self._read_at >= SUBSCRIBERS_KNOWN_S:
            found = transaction.webhooks.subscribers_of_any_tenant(_MAX_KNOWN + 1)
            self._subscribers = found if len(found) <= _MAX_KNOWN else None
            self._read_at = now
        known = self._subscribers
        return known is None or (tenant, project) in known or (tenant, None) in known
