"""The ports of the application, each with the adapter that serves it."""

from dataclasses import dataclass

from application.log_links import LogLinks
from application.ports.backlog_publisher import BacklogPublisher
from application.ports.clock import Clock
from application.ports.cluster_metrics import ClusterMetrics
from application.ports.dashboard_queries import DashboardQueries
from application.ports.engine_report_reader import EngineReportReader
from application.ports.event_feed import EventFeed
from application.ports.execution_engine import ExecutionEngine
from application.ports.id_generator import IdGenerator
from application.ports.identity_provider import IdentityProvider
from application.ports.job_queries import JobQueries
from application.ports.measurements import Measurements
from application.ports.message_relay import MessageRelay
from application.ports.object_store import ObjectStore
from application.ports.operation_queries import OperationQueries
from application.ports.output_feed import OutputFeed
from application.ports.rate_limiter import RateLimiter
from application.ports.result_spool import ResultSpool
from application.ports.secret_sealer import SecretSealer
from application.ports.tracing import Tracing
from application.ports.unit_of_work import UnitOfWork
from application.ports.webhook_documents import WebhookDocuments
from application.ports.webhook_sender import WebhookSender
from application.ports.work_queue import WorkQueue


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The adapters behind the application's ports, as the settings choose them."""

    clock: Clock
    ids: IdGenerator
    unit_of_work: UnitOfWork
    job_queries: JobQueries
    dashboard_queries: DashboardQueries
    code_store: ObjectStore
    log_store: ObjectStore
    log_links: LogLinks
    result_spool: ResultSpool
    secret_sealer: SecretSealer
    webhook_sealer: SecretSealer
    webhook_sender: WebhookSender
    webhook_documents: WebhookDocuments
    cluster_metrics: ClusterMetrics
    engine: ExecutionEngine
    report_reader: EngineReportReader
    event_feed: EventFeed
    output_feed: OutputFeed
    rate_limiter: RateLimiter
    message_relay: MessageRelay
    work_queue: WorkQueue
    identity_provider: IdentityProvider
    measurements: Measurements
    tracing: Tracing
    operation_queries: OperationQueries
    backlog_publisher: BacklogPublisher
