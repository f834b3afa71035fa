"""Command: rotate the secret of a webhook."""

from datetime import timedelta

from application.caller_unit_of_work import CallerUnitOfWork
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction
from application.use_cases.rotate_key import DEFAULT_OVERLAP_S, MAX_OVERLAP_S
from application.views import IssuedWebhook, WebhookView
from application.webhook_secrets import WebhookSecrets
from domain.audit import Act
from domain.caller import Caller
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.values import WebhookId
from domain.webhook_signing import WebhookSecret


class RotateWebhook:
    """Gives a webhook a new secret, which is returned once.

    * Both secrets sign during an overlap, so that receivers can switch without refusing events.
    * A second rotation within the overlap ends the validity of the oldest secret.
    """

    def __init__(self, unit_of_work: CallerUnitOfWork, secrets: WebhookSecrets, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._secrets = secrets
        self._clock = clock

    def __call__(
        self, caller: Caller, webhook_id: WebhookId, overlap_s: int = DEFAULT_OVERLAP_S
    ) -> IssuedWebhook:
        """Return the webhook with its new secret.

        Args:
            caller: The caller.
            webhook_id: The webhook.
            overlap_s: Seconds for which the old secret signs too.

        Raises:
            InvalidValue: The overlap is negative or longer than MAX_OVERLAP_S.
            NotFound: There is no such webhook, or the caller cannot access it.
            Unprocessable: There is no key to seal the secret with.
        """
        with self._unit_of_work.recording_refusals(caller, Act.WEBHOOK_ROTATE, str(webhook_id)):
            if not 0 <= overlap_s <= MAX_OVERLAP_S:
                raise InvalidValue("overlap_s", text("problems.from_0", maximum=MAX_OVERLAP_S))
            secret = WebhookSecret.generate()
            sealed = self._secrets.seal("url", webhook_id, secret)
        now, overlap = self._clock.now(), timedelta(seconds=overlap_s)

        def work(transaction: Transaction) -> WebhookView:
            before = transaction.webhooks.get_or_raise(caller, webhook_id)
            after = before.rotate(sealed, now, overlap)
            transaction.webhooks.replace(before, after)
            project = None if after.project is None else transaction.projects.get(caller, after.project)
            return WebhookView.of(after, project)

        view = self._unit_of_work.run(
            caller,
            Act.WEBHOOK_ROTATE,
            work,
            subject=lambda _view: str(webhook_id),
            project=lambda view: view.webhook.project,
            asked_for=str(webhook_id),
        )
        return IssuedWebhook(view=view, secret=secret)
