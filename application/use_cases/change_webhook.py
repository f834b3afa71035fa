"""Command: enable, disable or delete a webhook."""

from application.caller_unit_of_work import CallerUnitOfWork
from application.ports.unit_of_work import Transaction
from application.views import WebhookView
from domain.audit import Act
from domain.caller import Caller
from domain.values import WebhookId
from domain.webhook import WebhookTrigger

_ACTS = {
    WebhookTrigger.ENABLE: Act.WEBHOOK_ENABLE,
    WebhookTrigger.DISABLE: Act.WEBHOOK_DISABLE,
    WebhookTrigger.DELETE: Act.WEBHOOK_DELETE,
}


class ChangeWebhook:
    """Enables, disables or deletes a webhook that the caller can access.

    * A disabled webhook gets no events: waiting deliveries become dead letters, and no new ones are stored.
    * An enabled webhook gets the events from then on.
    * A deleted webhook disappears at once, and its deliveries soon after.
    """

    def __init__(self, unit_of_work: CallerUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def __call__(self, caller: Caller, webhook_id: WebhookId, trigger: WebhookTrigger) -> WebhookView:
        """Apply the trigger; return the changed webhook.

        Raises:
            NotFound: There is no such webhook, or the caller cannot access it.
        """

        def work(transaction: Transaction) -> WebhookView:
            before = transaction.webhooks.get_or_raise(caller, webhook_id)
            after = before.apply(trigger)
            transaction.webhooks.replace(before, after)
            project = None if after.project is None else transaction.projects.get(caller, after.project)
            return WebhookView.of(after, project)

        return self._unit_of_work.run(
            caller,
            _ACTS[trigger],
            work,
            subject=lambda _view: str(webhook_id),
            project=lambda view: view.webhook.project,
            asked_for=str(webhook_id),
        )
