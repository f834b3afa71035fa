"""The application as the service assembles it, on in-memory adapters."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from adapters.http_engine.report_reader import RunnerReportReader
from adapters.in_process.event_feed import InProcessEventFeed
from adapters.in_process.output_feed import InProcessOutputFeed
from adapters.in_process.rate_limiter import InProcessRateLimiter
from adapters.oidc.no_provider import NoIdentityProvider
from adapters.sealing.secret_sealer import KEY_BYTES, AesGcmSealer
from application.commands import UploadCodeCommand
from application.event_meter import EventMeter
from application.log_links import LogLinks
from application.messages import Message
from application.ports.job_queries import JobQueries
from application.ports.message_relay import MessageRelay
from application.ports.purge_repository import StoreName
from application.ports.secret_sealer import SecretSealer
from application.ports.unit_of_work import UnitOfWork
from application.retry_policy import RetryPolicy
from application.service_options import ServiceOptions
from application.services import Services, build_services
from application.use_cases.apply_retention import RetentionRules
from application.use_cases.deliver_webhooks import DeliveryRules
from application.views import JobView
from application.wiring.ports import Ports
from domain.execution import Execution
from domain.limits import STANDARD_LIMITS
from domain.membership import MembershipRules
from domain.retrying import Backoff
from domain.submission_limits import SubmissionLimits
from domain.values import JobId
from entrypoints.webhook_documents import ApiWebhookDocuments
from tests.support.callers import ANONYMOUS
from tests.support.memory.backlog_publisher import MemoryBacklogPublisher
from tests.support.memory.clock import MemoryClock
from tests.support.memory.cluster_metrics import MemoryClusterMetrics
from tests.support.memory.dashboard_queries import MemoryDashboardQueries
from tests.support.memory.database import MemoryDatabase
from tests.support.memory.id_generator import MemoryIdGenerator
from tests.support.memory.job_queries import MemoryJobQueries
from tests.support.memory.measurements import MemoryMeasurements
from tests.support.memory.message_relay import MemoryMessageRelay
from tests.support.memory.object_store import MemoryObjectStore
from tests.support.memory.operation_queries import MemoryOperationQueries
from tests.support.memory.result_spool import MemoryResultSpool
from tests.support.memory.tracing import MemoryTracing
from tests.support.memory.unit_of_work import MemoryUnitOfWork
from tests.support.memory.work_queue import MemoryWorkQueue
from tests.support.scripted_engine import ScriptedEngine
from tests.support.scripted_receivers import ScriptedReceivers

LEASE_S = 30.0
KEPT_S = 600.0
RENEW_EVERY_S = 10.0
WAIT_S = 120.0
MAX_KEYS = 5
MAX_BATCH_JOBS = 10
MAX_JOB_ACTIONS = 4
MAX_WEBHOOKS = 5
MAX_WEBHOOKS_OF_PROJECT = 4
DELIVERY_RULES = DeliveryRules(
    threads=8,
    per_receiver=2,
    lease_s=LEASE_S,
    retry=RetryPolicy.exponential(1.0, 60.0),
    retried_for=timedelta(hours=24),
    disabled_after=timedelta(hours=72),
)
KEYS_KEPT_HOURS = 24.0
FILES_KEPT_HOURS = 6.0


class InMemoryService:
    """A service that lasts as long as a test.

    Its attributes include the use cases and readers of `Services`, as built for this process, whose name is
    "worker-1". Orphans are recovered by another process, "worker-0", which runs no jobs.

    Args:
        open_database: Returns a unit of work that offers messages to the given relay, and its queries; by
            default in-memory ones.
        log_spool: The directory for logs that are too large for memory.
        sealer: Seals secrets; by default one with a key.

    Attributes:
        services: The use cases and readers of this process.
        published: The messages from the event feed.
        slept: The seconds of each wait between attempts.
    """

    def __init__(
        self,
        open_database: Callable[[MessageRelay], tuple[UnitOfWork, JobQueries]] | None = None,
        log_spool: Path | None = None,
        sealer: SecretSealer | None = None,
    ) -> None:
        self.clock = MemoryClock()
        self.ids = MemoryIdGenerator()
        self.database = MemoryDatabase(now=self.clock.now)
        self.work_queue = MemoryWorkQueue()
        self.event_feed = InProcessEventFeed()
        self.published: list[Message] = []
        self.event_feed.subscribe(self.published.append)
        self.relay = MemoryMessageRelay()
        self.measurements = MemoryMeasurements()
        self.tracing = MemoryTracing()
        self.backlogs = MemoryBacklogPublisher()
        meter = EventMeter(self.relay, self.measurements)
        self.unit_of_work: UnitOfWork = MemoryUnitOfWork(self.database, meter)
        self.queries: JobQueries = MemoryJobQueries(self.database)
        if open_database is not None:
            self.unit_of_work, self.queries = open_database(meter)
        self.dashboard_queries = MemoryDashboardQueries(self.database)
        self.code_store = MemoryObjectStore(self.clock.now)
        self.log_store = MemoryObjectStore(self.clock.now)
        self.spool = MemoryResultSpool()
        self.sealer = sealer or AesGcmSealer({"test": bytes(KEY_BYTES)})
        self.metrics = MemoryClusterMetrics(self.clock)
        self.engine = ScriptedEngine()
        self.receivers = ScriptedReceivers()
        self.output_feed = InProcessOutputFeed()
        self.slept: list[float] = []
        retry = RetryPolicy((1.0, 2.0), sleep=self.slept.append)
        self._ports = Ports(
            clock=self.clock,
            ids=self.ids,
            unit_of_work=self.unit_of_work,
            job_queries=self.queries,
            dashboard_queries=self.dashboard_queries,
            code_store=self.code_store,
            log_store=self.log_store,
            log_links=LogLinks(b"installation", "http://localhost:8000", 3_600, self.clock),
            result_spool=self.spool,
            secret_sealer=self.sealer,
            webhook_sealer=self.sealer,
            webhook_sender=self.receivers,
            webhook_documents=ApiWebhookDocuments(self.log_store),
            cluster_metrics=self.metrics,
            engine=self.engine,
            report_reader=RunnerReportReader(65_536),
            event_feed=self.event_feed,
            output_feed=self.output_feed,
            rate_limiter=InProcessRateLimiter(),
            message_relay=meter,
            work_queue=self.work_queue,
            identity_provider=NoIdentityProvider(),
            measurements=self.measurements,
            tracing=self.tracing,
            operation_queries=MemoryOperationQueries(self.database),
            backlog_publisher=self.backlogs,
        )
        self._options = ServiceOptions(
            worker="worker-1",
            checks_engine=False,
            separates_tenants=True,
            worker_threads=1,
            slots=1,
            limit_policy=STANDARD_LIMITS,
            submission_limits=SubmissionLimits(code_bytes=1_000, stdin_bytes=100),
            max_batch_jobs=MAX_BATCH_JOBS,
            max_job_actions=MAX_JOB_ACTIONS,
            backoff=Backoff(first_s=1.0, longest_s=3.0),
            lease_s=LEASE_S,
            renew_every_s=RENEW_EVERY_S,
            announce_after_s=2.0,
            engine_wait_s=WAIT_S,
            relay_left_behind_after_s=5.0,
            database_retry=retry,
            inline_output_bytes=64,
            max_log_read_bytes=1_000,
            max_cached_output_bytes=0,
            pending_results_s=KEPT_S,
            spool_directory=log_spool or Path(tempfile.gettempdir()),
            log_storage_retry=retry,
            cases_max_s=3_600.0,
            checker_timeout_ms=10_000,
            checker_memory_mb=256,
            max_keys=MAX_KEYS,
            membership_rules=MembershipRules(tenant_claim="tenant", role_claim="role"),
            session_idle_s=3_600.0,
            session_max_s=43_200.0,
            max_webhooks=MAX_WEBHOOKS,
            max_webhooks_of_project=MAX_WEBHOOKS_OF_PROJECT,
            delivery_rules=DELIVERY_RULES,
            retention_rules=RetentionRules(orphans_kept=timedelta(hours=FILES_KEPT_HOURS)),
            swept_stores=frozenset(StoreName),
            unused_files_kept_hours=FILES_KEPT_HOURS,
            idempotency_keys_kept_hours=KEYS_KEPT_HOURS,
            receipts_kept_days=7.0,
            sessions_kept_days=90.0,
            webhook_deliveries_kept_days=7.0,
            cluster="local",
            cluster_history_kept_days=30.0,
            sample_patience_s=0.0,
        )
        self.services = self.process("worker-1")
        self.recover_orphans = self.process("worker-0").recover_orphans

    def __getattr__(self, name: str) -> Any:
        return getattr(self.services, name)

    def process(self, worker: str, *, sealer: SecretSealer | None = None, **options: object) -> Services:
        """Build the use cases of a process with a name, optionally with another sealer and other options."""
        sealer = sealer or self.sealer
        ports = replace(self._ports, secret_sealer=sealer, webhook_sealer=sealer)
        return build_services(ports=ports, options=replace(self._options, worker=worker, **options))

    def upload(self, **changed: object) -> JobView:
        """Upload a program, with defaults for the fields that a test omits."""
        fields = {"project": "demo", "code": "print(1)", "language": "python", **changed}
        return self.upload_code(ANONYMOUS, UploadCodeCommand(**fields))

    def start(self, **changed: object) -> JobView:
        """Upload a program and execute it."""
        return self.upload(execute=True, **changed)

    def claim(self, worker: str = "worker-1") -> Execution:
        """Claim an execution without running it, as a worker that is killed at that moment."""
        execution = self.unit_of_work.run(partial(_claim, worker))
        assert execution is not None
        return execution

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with a recovery of orphans every second, as in a service."""
        for _ in range(round(seconds)):
            self.clock.advance(1)
            self.recover_orphans()

    def job(self, job_id: JobId) -> JobView:
        """Read a job as in lists."""
        details = self.job_reader.get(ANONYMOUS, job_id)
        return JobView.of(
            details.job, details.project, details.executions[-1] if details.executions else None
        )

    def announced(self) -> list[str]:
        """Return the names of the messages of all commits so far."""
        return [message.name for message in self.relay.offered]


def _claim(worker: str, transaction) -> Execution | None:
    return next(iter(transaction.executions.claim_next(worker, LEASE_S)), None)
