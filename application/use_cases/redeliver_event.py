"""Command: deliver an event again."""

from application.caller_unit_of_work import CallerUnitOfWork
from application.errors import Conflict, NotFound
from application.ports.unit_of_work import Transaction
from domain.audit import Act
from domain.caller import Caller
from domain.catalogue.text import text
from domain.delivery import Delivery, DeliveryId, DeliveryStatus
from domain.values import JobId, WebhookId


class RedeliverEvent:
    """Delivers an event again, under the same id, if it was delivered or is a dead letter.

    * It is attempted for as long as a new event.
    * A delivery that is still pending cannot be redelivered.
    * Events are not redelivered to a disabled webhook.
    """

    def __init__(self, unit_of_work: CallerUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def __call__(self, caller: Caller, delivery_id: DeliveryId, to: WebhookId | JobId) -> Delivery:
        """Queue the delivery again; return it.

        Args:
            caller: The caller.
            delivery_id: The delivery.
            to: Its webhook or, for a callback, its job.

        Raises:
            NotFound: There is no such delivery, or the caller cannot access it.
            Conflict: The delivery is still pending.
            WebhookTransitionRefused: The webhook is disabled.
        """

        def work(transaction: Transaction) -> Delivery:
            delivery = transaction.deliveries.get_or_raise(caller, delivery_id)
            if to != (delivery.subject if delivery.webhook_id is None else delivery.webhook_id):
                raise NotFound("delivery", delivery_id)
            if delivery.webhook_id is not None:
                transaction.webhooks.get_or_raise(caller, delivery.webhook_id).ensure_active()
            if delivery.status is DeliveryStatus.PENDING:
                raise Conflict(text("problems.delivery_pending", id=delivery_id, status=delivery.status))
            transaction.deliveries.redeliver(delivery)
            return delivery.again()

        return self._unit_of_work.run(
            caller,
            Act.WEBHOOK_REDELIVER,
            work,
            subject=lambda _delivery: str(delivery_id),
            project=lambda delivery: delivery.project,
            asked_for=str(delivery_id),
        )
