"""The rules of retention, and the removal of data that is deleted, unused or old."""

from dataclasses import dataclass
from datetime import timedelta

from application.orphan_sweep import OrphanSweep
from application.ports.purge_repository import StoreName
from application.queries.retention_reader import RetentionReader
from application.service_options import ServiceOptions
from application.use_cases.apply_retention import ApplyRetention
from application.use_cases.forget_old_records import Forget, ForgetOldRecords
from application.use_cases.remove_deleted import RemoveDeleted
from application.use_cases.remove_unused_blobs import RemoveUnusedBlobs
from application.use_cases.set_retention import SetRetention
from application.wiring.ports import Ports
from application.wiring.shared_parts import SharedParts


@dataclass(frozen=True, kw_only=True)
class RetentionServices:
    """The rules of retention, and the removal of data that is deleted, unused or old."""

    set_retention: SetRetention
    retention_reader: RetentionReader
    apply_retention: ApplyRetention
    remove_deleted: RemoveDeleted
    remove_unused_blobs: RemoveUnusedBlobs
    forget_sessions: ForgetOldRecords
    forget_processed_messages: ForgetOldRecords
    forget_idempotency_keys: ForgetOldRecords
    forget_deliveries: ForgetOldRecords
    forget_webhooks: ForgetOldRecords


def build_retention_services(
    *, ports: Ports, options: ServiceOptions, shared: SharedParts
) -> RetentionServices:
    """Build the services of the subsystem."""
    stores = {StoreName.CODE: ports.code_store, StoreName.LOG: ports.log_store}

    def forgetting(forget: Forget, kept: timedelta) -> ForgetOldRecords:
        return ForgetOldRecords(unit_of_work=ports.unit_of_work, clock=ports.clock, forget=forget, kept=kept)

    return RetentionServices(
        set_retention=SetRetention(
            unit_of_work=shared.caller_unit_of_work, default=options.retention_rules.default
        ),
        retention_reader=RetentionReader(
            unit_of_work=ports.unit_of_work, default=options.retention_rules.default
        ),
        apply_retention=ApplyRetention(
            unit_of_work=ports.unit_of_work,
            orphans=OrphanSweep(
                unit_of_work=ports.unit_of_work,
                stores={name: stores[name] for name in sorted(options.swept_stores)},
                clock=ports.clock,
                kept=options.retention_rules.orphans_kept,
            ),
            clock=ports.clock,
            ids=ports.ids,
            rules=options.retention_rules,
            measurements=ports.measurements,
        ),
        remove_deleted=RemoveDeleted(
            unit_of_work=ports.unit_of_work,
            stores=stores,
            output_feed=ports.output_feed,
            outbox_writer=shared.outbox_writer,
            clock=ports.clock,
            ids=ports.ids,
            worker=options.worker,
            measurements=ports.measurements,
        ),
        remove_unused_blobs=RemoveUnusedBlobs(
            unit_of_work=ports.unit_of_work,
            clock=ports.clock,
            ids=ports.ids,
            kept=timedelta(hours=options.unused_files_kept_hours),
        ),
        forget_sessions=forgetting(
            lambda t, before, batch: t.sessions.forget_of_any_tenant(before, batch),
            timedelta(days=options.sessions_kept_days),
        ),
        forget_processed_messages=forgetting(
            lambda t, before, batch: t.inbox.forget(before, batch), timedelta(days=options.receipts_kept_days)
        ),
        forget_idempotency_keys=forgetting(
            lambda t, before, batch: t.idempotency_keys.forget(before, batch),
            timedelta(hours=options.idempotency_keys_kept_hours),
        ),
        forget_deliveries=forgetting(
            lambda t, before, batch: t.deliveries.forget_of_any_tenant(before, batch),
            timedelta(days=options.webhook_deliveries_kept_days),
        ),
        forget_webhooks=forgetting(
            lambda t, _before, batch: t.webhooks.remove_deleted_of_any_tenant(batch), timedelta(0)
        ),
    )
