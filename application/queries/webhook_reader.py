"""Reads of webhooks and of deliveries."""

from collections.abc import Sequence

from application.errors import NotFound
from application.ports.delivery_repository import DeliveryFilter
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.views import WebhookView
from domain.caller import Caller
from domain.catalogue.text import text
from domain.delivery import Delivery
from domain.errors import InvalidValue
from domain.values import JobId, WebhookId, parse_project_reference

MAX_DELIVERIES = 200
DEFAULT_DELIVERIES = 50


class WebhookReader:
    """Reads the webhooks that a caller can access, and their deliveries."""

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def get(self, caller: Caller, webhook_id: WebhookId) -> WebhookView:
        """Return a webhook.

        Raises:
            NotFound: There is no such webhook, or the caller cannot access it.
        """

        def work(transaction: Transaction) -> WebhookView:
            webhook = transaction.webhooks.get_or_raise(caller, webhook_id)
            project = None if webhook.project is None else transaction.projects.get(caller, webhook.project)
            return WebhookView.of(webhook, project)

        return self._unit_of_work.read(work)

    def all(self, caller: Caller, project: str | None = None) -> Sequence[WebhookView]:
        """Return the webhooks, optionally of one project given by name or id, oldest first.

        Raises:
            InvalidValue: The project is not a valid name or id.
            NotFound: There is no such project, or the caller cannot access it.
        """
        reference = None if project is None else parse_project_reference(project)

        def work(transaction: Transaction) -> Sequence[WebhookView]:
            wanted = None
            if reference is not None:
                found = transaction.projects.get(caller, reference)
                if found is None:
                    raise NotFound("project", reference)
                wanted = found.id
            webhooks = transaction.webhooks.all(caller, wanted)
            ids = {webhook.project for webhook in webhooks if webhook.project is not None}
            projects = {project_id: transaction.projects.get(caller, project_id) for project_id in ids}
            return [
                WebhookView.of(one, None if one.project is None else projects[one.project])
                for one in webhooks
            ]

        return self._unit_of_work.read(work)

    def deliveries(self, caller: Caller, webhook_id: WebhookId, wanted: DeliveryFilter) -> Sequence[Delivery]:
        """Return deliveries to a webhook, newest first.

        Raises:
            InvalidValue: The limit is out of range.
            NotFound: There is no such webhook, or the caller cannot access it.
        """
        if not 0 <= wanted.limit <= MAX_DELIVERIES:
            raise InvalidValue("limit", text("problems.from_0", maximum=MAX_DELIVERIES))

        def work(transaction: Transaction) -> Sequence[Delivery]:
            transaction.webhooks.get_or_raise(caller, webhook_id)
            return transaction.deliveries.of_webhook(webhook_id, wanted)

        return self._unit_of_work.read(work)

    def of_job(self, caller: Caller, job_id: JobId) -> Sequence[Delivery]:
        """Return the latest deliveries about a job, newest first.

        A caller of one project gets those to callbacks and to the webhooks of its project, deleted or not.

        Raises:
            NotFound: There is no such job.
        """

        def work(transaction: Transaction) -> Sequence[Delivery]:
            transaction.jobs.get_with_project_or_raise(caller, job_id)
            return transaction.deliveries.of_subject(caller, job_id, MAX_DELIVERIES)

        return self._unit_of_work.read(work)
