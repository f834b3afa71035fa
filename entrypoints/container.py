"""The container, which chooses the adapters by the settings. No other module imports adapters.

Adapters that not every process needs are imported when they are chosen, because their libraries cost memory
and time: boto3 alone takes a third of a second.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from dependency_injector import containers, providers

from adapters.backup.archive import BackupArchive
from adapters.cloudwatch.no_publisher import NoBacklogPublisher
from adapters.common.circuit_samples import circuit_samples
from adapters.filesystem.data_directory import prepare_data_directory
from adapters.filesystem.names import DRAFTS
from adapters.filesystem.object_store import FilesystemObjectStore
from adapters.filesystem.result_spool import FilesystemResultSpool
from adapters.filesystem.secret_key import read_or_make_key
from adapters.host_metrics.cluster_metrics import HostClusterMetrics
from adapters.http_engine.report_reader import RunnerReportReader
from adapters.in_process.event_feed import InProcessEventFeed
from adapters.in_process.message_relay import BackgroundMessageRelay, ImmediateMessageRelay
from adapters.in_process.output_feed import KEPT_BYTES, InProcessOutputFeed
from adapters.in_process.output_journal import OutputJournal
from adapters.in_process.rate_limiter import InProcessRateLimiter
from adapters.in_process.work_queue import InProcessWorkQueue
from adapters.local_engine.engine import LocalEngine
from adapters.local_engine.memory_budget import room_for_programs
from adapters.local_engine.runtime_directory import RuntimeDirectory
from adapters.local_engine.runtimes import Runtimes
from adapters.local_engine.toolchains import read_table
from adapters.oidc.no_provider import NoIdentityProvider
from adapters.prometheus.no_measurements import NoMeasurements
from adapters.sealing.secret_sealer import KEY_BYTES, AesGcmSealer
from adapters.sql.dashboard_queries import SqlDashboardQueries
from adapters.sql.engine import DatabaseOptions, create_engine, pool_samples
from adapters.sql.errors import DATABASE
from adapters.sql.job_queries import SqlJobQueries
from adapters.sql.legacy.importing import LegacyImport
from adapters.sql.migrate import SqlSchema
from adapters.sql.operation_queries import SqlOperationQueries
from adapters.sql.transaction_retrier import TransactionRetrier
from adapters.sql.unit_of_work import SqlUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.id_generator import Uuid7Generator, worker_name
from adapters.webhook_sender.sender import HttpWebhookSender
from application.event_meter import EventMeter
from application.log_links import LogLinks
from application.metrics import DEAD_LETTERS, RETRIES
from application.ports.backlog_publisher import BacklogPublisher
from application.ports.clock import Clock
from application.ports.cluster_metrics import ClusterMetrics
from application.ports.dead_letter_store import DeadLetterStore
from application.ports.engine_report_reader import EngineReportReader
from application.ports.event_feed import EventFeed
from application.ports.execution_engine import ExecutionEngine
from application.ports.identity_provider import IdentityProvider
from application.ports.measurements import Measurements, Sample
from application.ports.message_relay import MessageRelay
from application.ports.object_store import ObjectStore
from application.ports.output_feed import OutputFeed
from application.ports.purge_repository import StoreName
from application.ports.rate_limiter import RateLimiter
from application.ports.result_spool import ResultSpool
from application.ports.secret_sealer import SecretSealer
from application.ports.tracing import NO_TRACING, Tracing
from application.ports.unit_of_work import UnitOfWork
from application.ports.webhook_sender import WebhookSender
from application.ports.work_queue import WorkQueue
from application.retry_policy import RetryPolicy
from application.service_options import ServiceOptions
from application.services import Services, build_services
from application.store_meter import StoreMeter
from application.wiring.ports import Ports
from domain.limits import LimitPolicy
from entrypoints.setting_types import sealing_key
from entrypoints.settings import ENV_FILE, SIGN_IN_RETURN, AuthMode, LimitSettings, Settings
from entrypoints.topology import Topology, WorkerMode
from entrypoints.tracing_variables import is_tracing_wanted
from entrypoints.webhook_documents import ApiWebhookDocuments
from entrypoints.worker.background_services import BackgroundServices, Worker
from entrypoints.worker.execution_threads import ExecutionThreads
from entrypoints.worker.handlers import completion_handler
from entrypoints.worker.standalone_runner import StandaloneRunner
from entrypoints.worker.webhook_dispatcher import WebhookDispatcher

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient

    from adapters.dramatiq_queue.redis_broker import RedisQueueBroker

# The threads that handle completions of delegated executions, each of which takes a few milliseconds.
_COMPLETION_THREADS = 4
# An execution fails if its code cannot be read after these delays.
_CODE_STORE_RETRY_DELAYS_S = (0.2, 1.0, 3.0)


# Entries of the data directory.
_DATABASE, _CODE, _LOG = "service-server.sqlite3", "code", "log"
_PENDING, _OUTPUT = "pending-logs", "output"
_LINK_KEY, _SEALING_KEY = "link-key", "sealing-key"
# The number of digits of a key's hash that distinguish the keys of different data directories.
_KEY_ID_CHARS = 8

# For this long in each minute, an API leaves the sample to workers, which measure the machines that run
# programs.
_SAMPLE_PATIENCE_S = 30.0

# Timeouts of S3 in seconds. The caller of an upload waits for its code. A log is larger, and its worker can
# spool it.
_CODE_TIMEOUT_S, _LOG_TIMEOUT_S = 3.0, 10.0


def _data_dir(settings: Settings) -> Path:
    return prepare_data_directory(settings.data_dir)


def _database(settings: Settings, tracing: Tracing) -> sa.Engine:
    database = _connected(settings)
    tracing.instrument(database)
    return database


def _connected(settings: Settings) -> sa.Engine:
    if settings.rds_host is None:
        url = sa.URL.create("sqlite", database=str(_data_dir(settings) / _DATABASE))
        return create_engine(url, DatabaseOptions(synchronous=settings.sqlite_synchronous))
    url = sa.URL.create(
        "mysql+pymysql",
        username=settings.rds_username,
        password=settings.rds_password.get_secret_value(),
        host=settings.rds_host,
        port=settings.rds_port,
        database=settings.rds_dbname,
    )
    # One connection for each thread that handles requests, runs executions or posts webhooks. The few other
    # threads (completions, periodic tasks, relay, health) share these, and may wait for one that is in use.
    threads = settings.http_threads + settings.storage_threads + settings.worker_threads
    threads += settings.webhook_threads
    ca_file = None if settings.rds_ca_file is None else str(settings.rds_ca_file)
    options = DatabaseOptions(pool_size=threads, tls_ca=ca_file, password=_database_password(settings))
    return create_engine(url, options)


def _database_password(settings: Settings) -> Callable[[], str] | None:
    if settings.rds_iam_region is None:
        return None
    from adapters.rds.auth_token import auth_tokens

    return auth_tokens(
        host=settings.rds_host or "",
        port=settings.rds_port,
        username=settings.rds_username,
        region=settings.rds_iam_region,
        **settings.aws_credentials,
    )


def _transaction_retrier(measurements: Measurements) -> TransactionRetrier:
    return TransactionRetrier(partial(measurements.count, RETRIES, DATABASE))


def _unit_of_work(
    database: sa.Engine, relay: MessageRelay, retrier: TransactionRetrier, measurements: Measurements
) -> UnitOfWork:
    measurements.watch(partial(pool_samples, database))
    return SqlUnitOfWork(database, relay, retrier)


def _code_store(settings: Settings, measurements: Measurements, tracing: Tracing) -> ObjectStore:
    store: ObjectStore
    if settings.code_bucket is None:
        store = FilesystemObjectStore(_data_dir(settings) / _CODE, settings.base_url)
    else:
        store = _s3_store(settings, settings.code_bucket, settings.code_region, _CODE_TIMEOUT_S, None)
    return StoreMeter(store, StoreName.CODE, measurements, tracing)


def _log_links(settings: Settings, clock: Clock) -> LogLinks:
    key = settings.link_key_bytes or read_or_make_key(_data_dir(settings) / _LINK_KEY)
    return LogLinks(key, settings.base_url, settings.log_url_expiry_s, clock)


def _log_store(
    settings: Settings, log_links: LogLinks, measurements: Measurements, tracing: Tracing
) -> ObjectStore:
    store: ObjectStore
    if settings.log_bucket is None:
        store = FilesystemObjectStore(_data_dir(settings) / _LOG, settings.base_url, link=log_links.url)
    else:
        expiry_s = settings.log_url_expiry_s if settings.presign_logs else None
        store = _s3_store(settings, settings.log_bucket, settings.log_region, _LOG_TIMEOUT_S, expiry_s)
    return StoreMeter(store, StoreName.LOG, measurements, tracing)


def _s3_store(
    settings: Settings, name: str, region: str, timeout_s: float, url_expiry_s: int | None
) -> ObjectStore:
    from adapters.s3.bucket import Bucket
    from adapters.s3.errors import storage_circuit
    from adapters.s3.object_store import S3ObjectStore

    bucket = Bucket(
        name, region, settings.aws_endpoint_url, **settings.aws_credentials, read_timeout_s=timeout_s
    )
    return S3ObjectStore(bucket, url_expiry_s, storage_circuit())


def _result_spool(settings: Settings) -> ResultSpool:
    return FilesystemResultSpool(_data_dir(settings) / _PENDING, settings.pending_results_mb << 20)


def _secret_sealer(settings: Settings) -> SecretSealer:
    return AesGcmSealer(dict(map(sealing_key, settings.sealing_keys)))


def _webhook_sealer(settings: Settings) -> SecretSealer:
    """Return the sealer of webhook secrets, which also has the key of the data directory."""
    own = read_or_make_key(_data_dir(settings) / _SEALING_KEY)[:KEY_BYTES]
    own_id = f"data-directory-{hashlib.sha256(own).hexdigest()[:_KEY_ID_CHARS]}"
    return AesGcmSealer({**dict(map(sealing_key, settings.sealing_keys)), own_id: own})


def _webhook_sender(settings: Settings) -> WebhookSender:
    return HttpWebhookSender(settings.webhook_timeout_s, allows_private=settings.webhook_allow_private)


def _webhook_dispatcher(
    settings: Settings, topology: Topology, services: Services
) -> WebhookDispatcher | None:
    if not topology.is_long_running:
        return None
    return WebhookDispatcher(services.deliver_webhooks, services.webhook_writer, settings.webhook_threads)


def _backup_archive(settings: Settings) -> BackupArchive:
    return BackupArchive(_data_dir(settings), _DATABASE, (_CODE, _LOG), _PENDING, DRAFTS)


def _cluster_metrics(settings: Settings, clock: Clock) -> ClusterMetrics:
    if settings.ecs_cluster_name is None:
        return HostClusterMetrics(clock)
    from adapters.cloudwatch.cluster_metrics import CloudWatchClusterMetrics

    return CloudWatchClusterMetrics(_cloudwatch_client(settings), clock)


def _backlog_publisher(settings: Settings) -> BacklogPublisher:
    if not settings.publishes_backlog:
        return NoBacklogPublisher()
    from adapters.cloudwatch.backlog_publisher import CloudWatchBacklogPublisher

    client = _cloudwatch_client(settings)
    return CloudWatchBacklogPublisher(client, settings.backlog_namespace, settings.environment)


def _cloudwatch_client(settings: Settings) -> "CloudWatchClient":
    from adapters.cloudwatch.cluster_metrics import build_client

    return build_client(
        settings.ecs_region or settings.code_region,
        endpoint_url=settings.cloudwatch_endpoint_url,
        **settings.aws_credentials,
    )


def _engine(
    settings: Settings,
    topology: Topology,
    code_store: ObjectStore,
    limit_policy: LimitPolicy,
    measurements: Measurements,
    tracing: Tracing,
) -> ExecutionEngine:
    if settings.uses_runners:
        from adapters.http_engine.engine import HttpEngine

        return HttpEngine(
            settings.engine_url,
            settings.engine_languages,
            run_urls=settings.run_urls,
            inline_bytes=settings.inline_output_bytes,
            spool_directory=_data_dir(settings),
            on_retry=partial(measurements.count, RETRIES, "engine"),
            tracing=tracing,
        )
    return LocalEngine(
        code_store,
        _data_dir(settings) / "work",
        inline_output_bytes=settings.inline_output_bytes,
        isolated=settings.sandbox != "off",
        warm_starts=settings.warm_starts,
        artifact_limits=settings.artifact_limits,
        usual_limits=limit_policy.resolve({}),
        memory_mb=room_for_programs(settings.engine_memory_mb),
        programs_at_once=settings.worker_threads,
        runtimes=settings.runtimes_dir,
        elsewhere=() if topology.runs_programs else settings.engine_languages,
        hidden=_hidden(settings),
        retry=RetryPolicy(
            _CODE_STORE_RETRY_DELAYS_S,
            on_retry=lambda error: measurements.count(RETRIES, error.dependency),
        ),
    )


def _hidden(settings: Settings) -> list[Path]:
    """Return the directories of secrets, which programs must not see."""
    environment_file = Path(ENV_FILE)
    in_use = [environment_file.resolve().parent] if environment_file.exists() else []
    return [_data_dir(settings), *in_use]


def runtime_directory(settings: Settings) -> RuntimeDirectory:
    """Return the directory of runtime descriptions on this machine, for the commands that change it."""
    hidden = [Path(__file__).parents[1], *_hidden(settings)]

    def read() -> Runtimes:
        isolated = settings.sandbox != "off"
        return Runtimes(settings.runtimes_dir, read_table(), hidden, isolated=isolated)

    return RuntimeDirectory(settings.runtimes_dir, read)


def _broker(settings: Settings, measurements: Measurements) -> "RedisQueueBroker | None":
    if settings.redis_url is None:
        return None
    from adapters.dramatiq_queue.dead_letters import RedisDeadLetterStore
    from adapters.dramatiq_queue.redis_broker import RedisQueueBroker

    broker = RedisQueueBroker(settings.redis_url.get_secret_value())
    measurements.watch(partial(_dead_letter_samples, RedisDeadLetterStore(broker)))
    return broker


def _dead_letter_samples(dead_letters: DeadLetterStore) -> Iterable[Sample]:
    yield Sample(DEAD_LETTERS, dead_letters.count(), ("completions",))


def _own_relay(settings: Settings) -> ImmediateMessageRelay | BackgroundMessageRelay:
    """Return the relay of this process's commits, which is immediate unless it has to call Redis."""
    return ImmediateMessageRelay() if settings.redis_url is None else BackgroundMessageRelay()


def _work_queue(settings: Settings) -> WorkQueue:
    if settings.redis_url is None:
        return InProcessWorkQueue()
    from adapters.redis_work_queue.work_queue import RedisWorkQueue

    return RedisWorkQueue(settings.redis_url.get_secret_value())


def _dead_letters(broker: "RedisQueueBroker | None") -> DeadLetterStore | None:
    if broker is None:
        return None
    from adapters.dramatiq_queue.dead_letters import RedisDeadLetterStore

    return RedisDeadLetterStore(broker)


def _event_feed(settings: Settings, topology: Topology) -> EventFeed:
    if settings.redis_url is None:
        return InProcessEventFeed()
    from adapters.redis_feed.event_feed import (
        CHANNEL,
        STOPS_CHANNEL,
        RedisEventFeed,
    )

    channel = STOPS_CHANNEL if topology.only_runs_programs else CHANNEL
    return RedisEventFeed(settings.redis_url.get_secret_value(), InProcessEventFeed(), channel)


def _output_feed(settings: Settings) -> OutputFeed:
    if settings.redis_url is None:
        journal = OutputJournal(_data_dir(settings) / _OUTPUT, KEPT_BYTES)
        return InProcessOutputFeed(KEPT_BYTES, journal)
    from adapters.redis_feed.output_feed import RedisOutputFeed

    return RedisOutputFeed(settings.redis_url.get_secret_value(), InProcessOutputFeed())


def _rate_limiter(settings: Settings) -> RateLimiter:
    if settings.redis_url is None:
        return InProcessRateLimiter()
    from adapters.redis_rate_limiter.rate_limiter import RedisRateLimiter

    return RedisRateLimiter(settings.redis_url.get_secret_value(), InProcessRateLimiter())


def _report_reader(settings: Settings) -> EngineReportReader:
    return RunnerReportReader(settings.inline_output_bytes, _data_dir(settings))


def _measurements(topology: Topology) -> Measurements:
    if not topology.is_long_running:
        return NoMeasurements()
    from adapters.prometheus.measurements import PrometheusMeasurements

    measurements = PrometheusMeasurements(version("service-server"))
    measurements.watch(circuit_samples)
    return measurements


def _tracing(settings: Settings, topology: Topology) -> Tracing:
    if not topology.is_long_running or not is_tracing_wanted(os.environ):
        return NO_TRACING
    from adapters.opentelemetry.tracing import OpenTelemetryTracing

    tracing = OpenTelemetryTracing(version("service-server"), worker_name(), settings.detailed_traces)
    if settings.redis_url is not None:
        tracing.instrument_redis()
    if settings.ecs_cluster_name or settings.code_bucket or settings.log_bucket or settings.rds_iam_region:
        tracing.instrument_aws()
    return tracing


def _identity_provider(settings: Settings, clock: Clock) -> IdentityProvider:
    issuer, client_id = settings.oidc_issuer, settings.oidc_client_id
    if settings.auth is not AuthMode.KEYS_AND_OIDC or issuer is None or client_id is None:
        return NoIdentityProvider()
    from adapters.oidc.identity_provider import OidcIdentityProvider

    secret = settings.oidc_client_secret
    return OidcIdentityProvider(
        issuer=issuer,
        client_id=client_id,
        client_secret=None if secret is None else secret.get_secret_value(),
        scopes=settings.oidc_scopes,
        redirect_uri=settings.base_url + SIGN_IN_RETURN,
        clock=clock,
    )


def separates_tenants(settings: Settings, topology: Topology) -> bool:
    """Whether this machine refuses programs of several tenants unless they are fully isolated."""
    return topology.runs_programs and settings.shared_tenants == "refuse"


def _service_options(settings: Settings, topology: Topology, limit_policy: LimitPolicy) -> ServiceOptions:
    return ServiceOptions(
        worker=worker_name(),
        checks_engine=topology.checks_engine,
        separates_tenants=separates_tenants(settings, topology),
        worker_threads=settings.worker_threads,
        slots=0 if topology.mode is WorkerMode.NONE else settings.worker_threads,
        limit_policy=limit_policy,
        submission_limits=settings.submission_limits,
        max_batch_jobs=settings.max_batch_jobs,
        max_job_actions=settings.max_job_actions,
        backoff=settings.backoff,
        lease_s=settings.lease_s,
        renew_every_s=settings.renew_every_s,
        announce_after_s=settings.announce_after_s,
        engine_wait_s=settings.engine_wait_s,
        relay_left_behind_after_s=settings.relay_left_behind_after_s,
        inline_output_bytes=settings.inline_output_bytes,
        max_log_read_bytes=settings.max_log_read_bytes,
        max_cached_output_bytes=settings.max_cached_output_mb << 20,
        pending_results_s=settings.pending_results_s,
        spool_directory=_data_dir(settings),
        cases_max_s=settings.cases_max_s,
        checker_timeout_ms=settings.checker_timeout_ms,
        checker_memory_mb=settings.checker_memory_mb,
        max_keys=settings.max_keys,
        membership_rules=settings.membership_rules,
        session_idle_s=settings.session_idle_s,
        session_max_s=settings.session_max_s,
        max_webhooks=settings.max_webhooks,
        max_webhooks_of_project=settings.max_webhooks_of_project,
        delivery_rules=settings.delivery_rules,
        retention_rules=settings.retention_rules,
        swept_stores=settings.swept_stores,
        unused_files_kept_hours=settings.unused_files_kept_hours,
        idempotency_keys_kept_hours=settings.idempotency_keys_kept_hours,
        receipts_kept_days=settings.receipts_kept_days,
        sessions_kept_days=settings.sessions_kept_days,
        webhook_deliveries_kept_days=settings.webhook_deliveries_kept_days,
        cluster=settings.cluster_name,
        cluster_history_kept_days=settings.cluster_history_kept_days,
        sample_patience_s=0.0 if topology.mode is WorkerMode.ALL else _SAMPLE_PATIENCE_S,
    )


def _workers(
    settings: Settings,
    topology: Topology,
    broker: "RedisQueueBroker | None",
    event_feed: EventFeed,
    work_queue: WorkQueue,
    services: Services,
) -> Sequence[Worker]:
    threads = settings.worker_threads
    match topology.mode:
        case WorkerMode.NONE:
            return ()
        case WorkerMode.OWN:
            run = services.run_standalone
            return (StandaloneRunner(event_feed, run, run.of_batch, threads=threads),)
        case WorkerMode.ALL:
            executions = ExecutionThreads(work_queue, services.run_execution, threads)
            return (executions,) if broker is None else (executions, _completion_worker(broker, services))


def _completion_worker(broker: "RedisQueueBroker", services: Services) -> Worker:
    from adapters.dramatiq_queue.worker import CompletionWorker

    handler = completion_handler(services.report_completion)
    return CompletionWorker(broker, handler, threads=_COMPLETION_THREADS)


def _disconnect(database: sa.Engine, work_queue: WorkQueue, broker: "RedisQueueBroker | None") -> None:
    work_queue.close()
    if broker is not None:
        broker.close()
    database.dispose()


class Container(containers.DeclarativeContainer):
    """The adapters that the settings choose and the application on top of them, each made once on first use.

    A type checker does not check the arguments of providers, so they are passed by keyword, and a test checks
    the type of each port. `build_services`, which is type-checked, wires the use cases. Tests override
    adapters before they ask for `ports`.
    """

    settings = providers.Dependency(instance_of=Settings)
    limit_policy = providers.Dependency(instance_of=LimitPolicy)
    topology = providers.Dependency(instance_of=Topology)

    measurements = providers.ThreadSafeSingleton(_measurements, topology)
    clock = providers.ThreadSafeSingleton(SystemClock)
    ids = providers.ThreadSafeSingleton(Uuid7Generator)
    tracing = providers.ThreadSafeSingleton(_tracing, settings=settings, topology=topology)
    database = providers.ThreadSafeSingleton(_database, settings=settings, tracing=tracing)
    transaction_retrier = providers.ThreadSafeSingleton(_transaction_retrier, measurements=measurements)
    schema = providers.ThreadSafeSingleton(SqlSchema, database)
    own_relay = providers.ThreadSafeSingleton(_own_relay, settings)
    message_relay = providers.ThreadSafeSingleton(EventMeter, relay=own_relay, measurements=measurements)
    unit_of_work = providers.ThreadSafeSingleton(
        _unit_of_work,
        database=database,
        relay=message_relay,
        retrier=transaction_retrier,
        measurements=measurements,
    )
    job_queries = providers.ThreadSafeSingleton(SqlJobQueries, engine=database, retrier=transaction_retrier)
    dashboard_queries = providers.ThreadSafeSingleton(
        SqlDashboardQueries, engine=database, retrier=transaction_retrier
    )
    backlog_publisher = providers.ThreadSafeSingleton(_backlog_publisher, settings)
    operation_queries = providers.ThreadSafeSingleton(
        SqlOperationQueries, engine=database, retrier=transaction_retrier
    )
    code_store = providers.ThreadSafeSingleton(
        _code_store, settings=settings, measurements=measurements, tracing=tracing
    )
    log_links = providers.ThreadSafeSingleton(_log_links, settings=settings, clock=clock)
    log_store = providers.ThreadSafeSingleton(
        _log_store, settings=settings, log_links=log_links, measurements=measurements, tracing=tracing
    )
    result_spool = providers.ThreadSafeSingleton(_result_spool, settings)
    secret_sealer = providers.ThreadSafeSingleton(_secret_sealer, settings)
    webhook_sealer = providers.ThreadSafeSingleton(_webhook_sealer, settings)
    webhook_sender = providers.ThreadSafeSingleton(_webhook_sender, settings)
    webhook_documents = providers.ThreadSafeSingleton(ApiWebhookDocuments, log_store=log_store)
    cluster_metrics = providers.ThreadSafeSingleton(_cluster_metrics, settings=settings, clock=clock)
    engine = providers.ThreadSafeSingleton(
        _engine,
        settings=settings,
        topology=topology,
        code_store=code_store,
        limit_policy=limit_policy,
        measurements=measurements,
        tracing=tracing,
    )
    event_feed = providers.ThreadSafeSingleton(_event_feed, settings, topology)
    output_feed = providers.ThreadSafeSingleton(_output_feed, settings)
    rate_limiter = providers.ThreadSafeSingleton(_rate_limiter, settings)
    broker = providers.ThreadSafeSingleton(_broker, settings=settings, measurements=measurements)
    work_queue = providers.ThreadSafeSingleton(_work_queue, settings)

    report_reader = providers.ThreadSafeSingleton(_report_reader, settings)

    identity_provider = providers.ThreadSafeSingleton(_identity_provider, settings=settings, clock=clock)

    ports = providers.ThreadSafeSingleton(
        Ports,
        clock=clock,
        ids=ids,
        unit_of_work=unit_of_work,
        job_queries=job_queries,
        dashboard_queries=dashboard_queries,
        code_store=code_store,
        log_store=log_store,
        log_links=log_links,
        result_spool=result_spool,
        secret_sealer=secret_sealer,
        webhook_sealer=webhook_sealer,
        webhook_sender=webhook_sender,
        webhook_documents=webhook_documents,
        cluster_metrics=cluster_metrics,
        engine=engine,
        report_reader=report_reader,
        event_feed=event_feed,
        output_feed=output_feed,
        rate_limiter=rate_limiter,
        message_relay=message_relay,
        work_queue=work_queue,
        identity_provider=identity_provider,
        measurements=measurements,
        tracing=tracing,
        operation_queries=operation_queries,
        backlog_publisher=backlog_publisher,
    )
    service_options = providers.Factory(
        _service_options, settings=settings, topology=topology, limit_policy=limit_policy
    )
    services = providers.ThreadSafeSingleton(build_services, ports=ports, options=service_options)
    workers = providers.ThreadSafeSingleton(
        _workers,
        settings=settings,
        topology=topology,
        broker=broker,
        event_feed=event_feed,
        work_queue=work_queue,
        services=services,
    )
    webhook_dispatcher = providers.ThreadSafeSingleton(
        _webhook_dispatcher, settings=settings, topology=topology, services=services
    )
    disconnect = providers.Callable(_disconnect, database=database, work_queue=work_queue, broker=broker)
    background_services = providers.ThreadSafeSingleton(
        BackgroundServices,
        settings=settings,
        topology=topology,
        ports=ports,
        services=services,
        workers=workers,
        webhooks=webhook_dispatcher,
        relay=own_relay,
        schema=schema,
        close=disconnect.provider,
    )

    # For commands that manage the service's data.
    dead_letters = providers.ThreadSafeSingleton(_dead_letters, broker)
    backup_archive = providers.Factory(_backup_archive, settings)
    # Called with the source of the import.
    legacy_import = providers.Factory(
        LegacyImport, target=database, limits=limit_policy, now=clock.provided.now.call()
    )


def build_container(
    settings: Settings | None = None,
    limit_policy: LimitPolicy | None = None,
    topology: Topology | None = None,
) -> Container:
    """Build the container, by default with the settings of the environment and for a worker."""
    settings = settings or Settings()
    return Container(
        settings=settings,
        limit_policy=limit_policy or LimitSettings().policy(),
        topology=topology or Topology.of_worker(settings),
    )
