"""The health, the load and the queues of the machines."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from application.ports.execution_engine import ExecutionEngine
from application.queries.cluster_history_reader import ClusterHistoryReader, history_steps
from application.queries.cluster_reader import ClusterReader
from application.queries.queue_reader import QueueReader
from application.service_options import ServiceOptions
from application.tenant_separation import TenantSeparation
from application.use_cases.check_health import CheckHealth
from application.use_cases.check_log_store import CheckLogStore
from application.use_cases.publish_backlog import PublishBacklog
from application.use_cases.record_cluster_sample import RecordClusterSample
from application.wiring.ports import Ports
from application.wiring.shared_parts import SharedParts

# Uploads need these; while others are unavailable, work is accepted and waits or fails with a reason.
_REQUIRED_PARTS = ("database", "code store")
_HEALTH_TIMEOUT_S = 2.0
_HEALTH_KEPT_S = 1.0


@dataclass(frozen=True, kw_only=True)
class ClusterServices:
    """The health, the load and the queues of the machines."""

    cluster_reader: ClusterReader
    cluster_history_reader: ClusterHistoryReader
    queue_reader: QueueReader
    check_health: CheckHealth
    record_cluster_sample: RecordClusterSample
    publish_backlog: PublishBacklog


def build_cluster_services(*, ports: Ports, options: ServiceOptions, shared: SharedParts) -> ClusterServices:
    """Build the services of the subsystem."""
    cluster_history_steps = history_steps(options.cluster_history_kept_days)
    record_cluster_sample = RecordClusterSample(
        unit_of_work=ports.unit_of_work,
        dashboard_queries=ports.dashboard_queries,
        metrics=ports.cluster_metrics,
        clock=ports.clock,
        cluster=options.cluster,
        steps=cluster_history_steps,
        patience_s=options.sample_patience_s,
    )
    return ClusterServices(
        cluster_reader=ClusterReader(
            engine=ports.engine,
            metrics=ports.cluster_metrics,
            dashboard_queries=ports.dashboard_queries,
            clock=ports.clock,
            slots=options.worker_threads,
        ),
        cluster_history_reader=ClusterHistoryReader(
            unit_of_work=ports.unit_of_work, clock=ports.clock, steps=cluster_history_steps
        ),
        queue_reader=QueueReader(dashboard_queries=ports.dashboard_queries, wait_causes=shared.wait_causes),
        check_health=_health_check(ports, options, shared.separation),
        record_cluster_sample=record_cluster_sample,
        publish_backlog=PublishBacklog(
            record_sample=record_cluster_sample,
            operation_queries=ports.operation_queries,
            publisher=ports.backlog_publisher,
            measurements=ports.measurements,
            clock=ports.clock,
        ),
    )


def _check_engine(engine: ExecutionEngine, separation: TenantSeparation) -> None:
    engine.check()
    separation.check()


def _health_check(ports: Ports, options: ServiceOptions, separation: TenantSeparation) -> CheckHealth:
    checks: dict[str, Callable[[], None]] = {
        "code store": ports.code_store.check,
        "log store": CheckLogStore(log_store=ports.log_store, unit_of_work=ports.unit_of_work),
        "database": ports.unit_of_work.check,
        "queue": ports.work_queue.check,
    }
    if options.checks_engine:
        checks["engine"] = partial(_check_engine, ports.engine, separation)
    return CheckHealth(
        checks=checks, required=_REQUIRED_PARTS, timeout_s=_HEALTH_TIMEOUT_S, kept_s=_HEALTH_KEPT_S
    )
