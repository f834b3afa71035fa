"""The recovery of lost and delayed executions, and the publication of messages."""

from dataclasses import dataclass

from application.service_options import ServiceOptions
from application.use_cases.announce_waiting import AnnounceWaiting
from application.use_cases.complete_batches import CompleteBatches
from application.use_cases.expire_execution import ExpireExecution
from application.use_cases.follow_outages import FollowOutages
from application.use_cases.recover_orphans import RecoverOrphans
from application.use_cases.relay_outbox import RelayOutbox
from application.use_cases.release_delayed import ReleaseDelayed
from application.use_cases.renew_leases import RenewLeases
from application.wiring.ports import Ports
from application.wiring.shared_parts import SharedParts


@dataclass(frozen=True, kw_only=True)
class RecoveryServices:
    """The recovery of lost and delayed executions, and the publication of messages."""

    recover_orphans: RecoverOrphans
    expire_execution: ExpireExecution
    follow_outages: FollowOutages
    release_delayed: ReleaseDelayed
    relay_outbox: RelayOutbox


def build_recovery_services(
    *,
    ports: Ports,
    options: ServiceOptions,
    shared: SharedParts,
    renew_leases: RenewLeases,
    complete_batches: CompleteBatches,
) -> RecoveryServices:
    """Build the services of the subsystem."""
    expire_execution = ExpireExecution(
        unit_of_work=ports.unit_of_work,
        outbox_writer=shared.outbox_writer,
        poison_jobs=shared.poison_jobs,
        output_feed=ports.output_feed,
        wake_workers=shared.wake_workers,
        measurements=ports.measurements,
        clock=ports.clock,
        ids=ports.ids,
        backoff=options.backoff,
        inline_bytes=options.inline_output_bytes,
    )
    return RecoveryServices(
        expire_execution=expire_execution,
        recover_orphans=RecoverOrphans(
            unit_of_work=ports.unit_of_work,
            renew_leases=renew_leases,
            expire_execution=expire_execution,
            announce_waiting=AnnounceWaiting(
                unit_of_work=ports.unit_of_work,
                work_queue=ports.work_queue,
                separation=shared.separation,
                after_s=options.announce_after_s,
                max_wake_ups=options.max_wake_ups,
            ),
            engine=ports.engine,
            clock=ports.clock,
            worker=options.worker,
            renew_every_s=options.renew_every_s,
        ),
        follow_outages=FollowOutages(
            unit_of_work=ports.unit_of_work,
            engine=ports.engine,
            outbox_writer=shared.outbox_writer,
            clock=ports.clock,
            ids=ports.ids,
            backoff=options.backoff,
            worker=options.worker,
            wait_s=options.engine_wait_s,
            alive_s=options.lease_s,
        ),
        release_delayed=ReleaseDelayed(unit_of_work=ports.unit_of_work, work_queue=ports.work_queue),
        relay_outbox=RelayOutbox(
            unit_of_work=ports.unit_of_work,
            work_queue=ports.work_queue,
            event_feed=ports.event_feed,
            complete_batches=complete_batches,
            stale_after_s=options.relay_left_behind_after_s,
            max_wake_ups=options.max_wake_ups,
            tracing=ports.tracing,
        ),
    )
