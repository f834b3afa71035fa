"""The parts of the application that several subsystems use."""

from dataclasses import dataclass

from application.blobs import Blobs
from application.caller_unit_of_work import CallerUnitOfWork
from application.idempotent_requests import IdempotentRequests
from application.outbox_writer import OutboxWriter
from application.poison_jobs import PoisonJobHandler
from application.queries.wait_causes import WaitCauses
from application.quota_guard import QuotaGuard
from application.record_refusal import RecordRefusal
from application.service_options import ServiceOptions
from application.tenant_separation import TenantSeparation
from application.use_cases.wake_workers import WakeWorkers
from application.webhook_secrets import WebhookSecrets
from application.webhook_writer import WebhookWriter
from application.wiring.ports import Ports


@dataclass(frozen=True, kw_only=True)
class SharedParts:
    """Objects that several subsystems use."""

    idempotent_requests: IdempotentRequests
    record_refusal: RecordRefusal
    caller_unit_of_work: CallerUnitOfWork
    separation: TenantSeparation
    quota_guard: QuotaGuard
    blobs: Blobs
    webhook_secrets: WebhookSecrets
    webhook_writer: WebhookWriter
    outbox_writer: OutboxWriter
    poison_jobs: PoisonJobHandler
    wake_workers: WakeWorkers
    wait_causes: WaitCauses


def build_shared_parts(*, ports: Ports, options: ServiceOptions) -> SharedParts:
    """Build the parts that several subsystems use."""
    idempotent_requests = IdempotentRequests(
        unit_of_work=ports.unit_of_work, kept_hours=options.idempotency_keys_kept_hours
    )
    record_refusal = RecordRefusal(unit_of_work=ports.unit_of_work, clock=ports.clock, ids=ports.ids)
    webhook_writer = WebhookWriter(clock=ports.clock, ids=ports.ids)
    outbox_writer = OutboxWriter(ids=ports.ids, webhook_writer=webhook_writer)
    return SharedParts(
        idempotent_requests=idempotent_requests,
        record_refusal=record_refusal,
        caller_unit_of_work=CallerUnitOfWork(
            unit_of_work=ports.unit_of_work,
            idempotent_requests=idempotent_requests,
            record_refusal=record_refusal,
            clock=ports.clock,
            ids=ports.ids,
        ),
        separation=TenantSeparation(
            unit_of_work=ports.unit_of_work,
            engine=ports.engine,
            clock=ports.clock,
            is_required=options.separates_tenants,
        ),
        quota_guard=QuotaGuard(clock=ports.clock),
        blobs=Blobs(unit_of_work=ports.unit_of_work, code_store=ports.code_store),
        webhook_secrets=WebhookSecrets(sealer=ports.webhook_sealer),
        webhook_writer=webhook_writer,
        outbox_writer=outbox_writer,
        poison_jobs=PoisonJobHandler(outbox_writer=outbox_writer),
        wake_workers=WakeWorkers(
            unit_of_work=ports.unit_of_work,
            engine=ports.engine,
            work_queue=ports.work_queue,
            clock=ports.clock,
            max_wake_ups=options.max_wake_ups,
            worker_threads=options.worker_threads,
        ),
        wait_causes=WaitCauses(
            unit_of_work=ports.unit_of_work,
            dashboard_queries=ports.dashboard_queries,
            slots=options.worker_threads,
            alive_s=options.lease_s,
        ),
    )
