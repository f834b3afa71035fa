"""Commands on webhooks, reads of them, and the deliveries to them."""

from dataclasses import dataclass

from application.queries.batch_reader import BatchReader
from application.queries.webhook_reader import WebhookReader
from application.service_options import ServiceOptions
from application.use_cases.change_webhook import ChangeWebhook
from application.use_cases.create_webhook import CreateWebhook
from application.use_cases.deliver_webhooks import DeliverWebhooks
from application.use_cases.redeliver_event import RedeliverEvent
from application.use_cases.rotate_webhook import RotateWebhook
from application.use_cases.send_test_event import SendTestEvent
from application.webhook_writer import WebhookWriter
from application.wiring.ports import Ports
from application.wiring.shared_parts import SharedParts


@dataclass(frozen=True, kw_only=True)
class WebhookServices:
    """Commands on webhooks, reads of them, and the deliveries to them."""

    create_webhook: CreateWebhook
    change_webhook: ChangeWebhook
    rotate_webhook: RotateWebhook
    send_test_event: SendTestEvent
    redeliver_event: RedeliverEvent
    webhook_reader: WebhookReader
    webhook_writer: WebhookWriter
    deliver_webhooks: DeliverWebhooks


def build_webhook_services(
    *, ports: Ports, options: ServiceOptions, shared: SharedParts, batch_reader: BatchReader
) -> WebhookServices:
    """Build the services of the subsystem."""
    return WebhookServices(
        create_webhook=CreateWebhook(
            unit_of_work=shared.caller_unit_of_work,
            secrets=shared.webhook_secrets,
            clock=ports.clock,
            ids=ports.ids,
            submission_limits=options.submission_limits,
            max_webhooks=options.max_webhooks,
            max_of_project=options.max_webhooks_of_project,
        ),
        change_webhook=ChangeWebhook(unit_of_work=shared.caller_unit_of_work),
        rotate_webhook=RotateWebhook(
            unit_of_work=shared.caller_unit_of_work, secrets=shared.webhook_secrets, clock=ports.clock
        ),
        send_test_event=SendTestEvent(
            unit_of_work=shared.caller_unit_of_work,
            webhook_writer=shared.webhook_writer,
            clock=ports.clock,
            ids=ports.ids,
        ),
        redeliver_event=RedeliverEvent(unit_of_work=shared.caller_unit_of_work),
        webhook_reader=WebhookReader(unit_of_work=ports.unit_of_work),
        webhook_writer=shared.webhook_writer,
        deliver_webhooks=DeliverWebhooks(
            unit_of_work=ports.unit_of_work,
            job_queries=ports.job_queries,
            batch_reader=batch_reader,
            sender=ports.webhook_sender,
            documents=ports.webhook_documents,
            secrets=shared.webhook_secrets,
            clock=ports.clock,
            ids=ports.ids,
            measurements=ports.measurements,
            tracing=ports.tracing,
            rules=options.delivery_rules,
        ),
    )
