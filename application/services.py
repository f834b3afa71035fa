"""The assembly of the application: the use cases and readers, built from its ports."""

from dataclasses import dataclass

from application.process_figures import ProcessFigures, SharedFigures
from application.service_options import ServiceOptions
from application.wiring.callers import CallerServices, build_caller_services
from application.wiring.cluster import ClusterServices, build_cluster_services
from application.wiring.executions import ExecutionServices, build_execution_services
from application.wiring.jobs import JobServices, build_job_services
from application.wiring.ports import Ports
from application.wiring.projects import ProjectServices, build_project_services
from application.wiring.recovery import RecoveryServices, build_recovery_services
from application.wiring.retention import RetentionServices, build_retention_services
from application.wiring.shared_parts import build_shared_parts
from application.wiring.tenants import TenantServices, build_tenant_services
from application.wiring.webhooks import WebhookServices, build_webhook_services


@dataclass(frozen=True, kw_only=True)
class Services(
    CallerServices,
    JobServices,
    ProjectServices,
    TenantServices,
    WebhookServices,
    ExecutionServices,
    RecoveryServices,
    ClusterServices,
    RetentionServices,
):
    """Every use case and reader that entrypoints call: the services of all subsystems."""


def build_services(*, ports: Ports, options: ServiceOptions) -> Services:
    """Build every use case with the given adapters.

    The modules of `application.wiring` call all constructors with keywords, so that a type checker verifies
    the wiring.
    """
    options = options.counting_retries(ports.measurements)
    shared = build_shared_parts(ports=ports, options=options)
    callers = build_caller_services(ports=ports, options=options, shared=shared)
    jobs = build_job_services(ports=ports, options=options, shared=shared)
    projects = build_project_services(ports=ports, options=options, shared=shared)
    tenants = build_tenant_services(ports=ports, options=options, shared=shared)
    webhooks = build_webhook_services(
        ports=ports, options=options, shared=shared, batch_reader=jobs.batch_reader
    )
    executions = build_execution_services(ports=ports, options=options, shared=shared)
    recovery = build_recovery_services(
        ports=ports,
        options=options,
        shared=shared,
        renew_leases=executions.renew_leases,
        complete_batches=jobs.complete_batches,
    )
    cluster = build_cluster_services(ports=ports, options=options, shared=shared)
    retention = build_retention_services(ports=ports, options=options, shared=shared)
    ports.measurements.watch(
        ProcessFigures(
            engine=ports.engine,
            spool=ports.result_spool,
            in_flight=executions.in_flight,
            in_flight_cases=executions.in_flight_cases,
            check_health=cluster.check_health,
            slots=options.slots,
        )
    )
    ports.measurements.watch(SharedFigures(ports.operation_queries, ports.clock))
    return Services(
        **vars(callers),
        **vars(jobs),
        **vars(projects),
        **vars(tenants),
        **vars(webhooks),
        **vars(executions),
        **vars(recovery),
        **vars(cluster),
        **vars(retention),
    )
