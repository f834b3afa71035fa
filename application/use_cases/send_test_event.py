"""Command: send a test event to a webhook."""

from application.caller_unit_of_work import CallerUnitOfWork
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction
from application.webhook_writer import WebhookWriter
from domain.audit import Act
from domain.caller import Caller
from domain.delivery import Delivery, DeliveryId
from domain.values import WebhookId
from domain.webhook_event import WebhookEvent


class SendTestEvent:
    """Sends an event of type `webhook.test` to one webhook.

    * It is attempted like any other event.
    * A disabled webhook gets none.
    """

    def __init__(
        self, unit_of_work: CallerUnitOfWork, webhook_writer: WebhookWriter, clock: Clock, ids: IdGenerator
    ) -> None:
        self._unit_of_work = unit_of_work
        self._webhook_writer = webhook_writer
        self._clock = clock
        self._ids = ids

    def __call__(self, caller: Caller, webhook_id: WebhookId) -> Delivery:
        """Return the delivery of the event.

        Raises:
            NotFound: There is no such webhook, or the caller cannot access it.
            WebhookTransitionRefused: The webhook is disabled.
        """
        now, delivery_id = self._clock.now(), DeliveryId(self._ids.new())

        def work(transaction: Transaction) -> Delivery:
            webhook = transaction.webhooks.get_or_raise(caller, webhook_id)
            webhook.ensure_active()
            delivery = Delivery(
                id=delivery_id,
                tenant=webhook.tenant,
                project=webhook.project,
                webhook_id=webhook.id,
                receiver=str(webhook.id),
                event=WebhookEvent.TEST,
                subject=delivery_id,
                occurred_at=now,
            )
            self._webhook_writer.store(transaction, [delivery], noted=delivery.id)
            return delivery

        return self._unit_of_work.run(
            caller,
            Act.WEBHOOK_TEST,
            work,
            subject=lambda _delivery: str(webhook_id),
            project=lambda delivery: delivery.project,
            asked_for=str(webhook_id),
        )
