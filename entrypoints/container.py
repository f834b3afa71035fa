"""The one place that knows every adapter: which one a setting chooses, and what each use case is given."""

from pathlib import Path

import sqlalchemy as sa
from dependency_injector import containers, providers

from adapters.backup.archive import BackupArchive
from adapters.dramatiq_queue.broker import QueueBroker
from adapters.dramatiq_queue.dead_letters import DramatiqDeadLetters
from adapters.dramatiq_queue.embedded import EmbeddedBroker
from adapters.dramatiq_queue.publisher import DramatiqPublisher
from adapters.dramatiq_queue.worker import QueueWorker
from adapters.filesystem.data_directory import prepare_data_directory
from adapters.filesystem.names import DRAFTS
from adapters.filesystem.object_store import FilesystemObjectStore
from adapters.filesystem.result_spool import FilesystemResultSpool
from adapters.host_metrics.cluster_metrics import HostClusterMetrics
from adapters.http_engine.report_reader import RunnerReportReader
from adapters.in_process.event_feed import InProcessEventFeed
from adapters.in_process.message_relay import InProcessMessageRelay
from adapters.in_process.output_feed import KEPT_BYTES, InProcessOutputFeed
from adapters.in_process.output_journal import OutputJournal
from adapters.local_engine.engine import LocalEngine
from adapters.sql import migrate
from adapters.sql.dashboard_queries import SqlDashboardQueries
from adapters.sql.engine import create_engine
from adapters.sql.job_queries import SqlJobQueries
from adapters.sql.legacy.importing import LegacyImport
from adapters.sql.options import DatabaseOptions
from adapters.sql.unit_of_work import SqlUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.id_generator import Uuid7Generator
from adapters.system.worker_name import worker_name
from application.in_flight_executions import InFlightExecutions
from application.log_archive import LogArchive
from application.outbox_writer import OutboxWriter
from application.poison_jobs import PoisonJobHandler
from application.ports.clock import Clock
from application.ports.cluster_metrics import ClusterMetrics
from application.ports.event_feed import EventFeed
from application.ports.execution_engine import ExecutionEngine
from application.ports.object_store import ObjectStore
from application.ports.output_feed import OutputFeed
from application.ports.result_spool import ResultSpool
from application.queue_history import QueueHistory
from application.retry_policy import RetryPolicy
from application.use_cases.cancel_job import CancelJob
from application.use_cases.change_project import ChangeProject
from application.use_cases.check_health import CheckHealth
from application.use_cases.check_log_store import CheckLogStore
from application.use_cases.claim_execution import ClaimExecution
from application.use_cases.complete_execution import CompleteExecution
from application.use_cases.create_project import CreateProject
from application.use_cases.defer_execution import DeferExecution
from application.use_cases.describe_engine import DescribeEngine
from application.use_cases.drain_executions import DrainExecutions
from application.use_cases.execute_job import ExecuteJob
from application.use_cases.finish_execution import FinishExecution
from application.use_cases.follow_outages import FollowOutages
from application.use_cases.forget_processed_messages import ForgetProcessedMessages
from application.use_cases.get_job import GetJob
from application.use_cases.get_job_status import GetJobStatus
from application.use_cases.get_project import GetProject
from application.use_cases.get_timeline import GetTimeline
from application.use_cases.list_jobs import ListJobs
from application.use_cases.list_languages import ListLanguages
from application.use_cases.list_metric_names import ListMetricNames
from application.use_cases.list_projects import ListProjects
from application.use_cases.mark_started import MarkStarted
from application.use_cases.measure_outcomes import MeasureOutcomes
from application.use_cases.read_cluster_metrics import ReadClusterMetrics
from application.use_cases.read_code import ReadCode
from application.use_cases.read_log import ReadLog
from application.use_cases.read_output import ReadOutput
from application.use_cases.recover_orphans import RecoverOrphans
from application.use_cases.relay_outbox import RelayOutbox
from application.use_cases.renew_leases import RenewLeases
from application.use_cases.replace_execution import ReplaceExecution
from application.use_cases.report_completion import ReportCompletion
from application.use_cases.run_again import RunAgain
from application.use_cases.run_execution import RunExecution
from application.use_cases.stop_execution import StopExecution
from application.use_cases.summarize_projects import SummarizeProjects
from application.use_cases.upload_code import UploadCode
from domain.limits import LimitPolicy
from entrypoints.settings import LimitSettings, Settings

# An object store that is away is asked again after these delays: then an execution that needs it has failed.
_STORAGE_RETRY_DELAYS_S = (0.2, 1.0, 3.0)
# A log that is not stored then is kept on this machine's disk, so its worker goes on soon.
_LOG_STORAGE_RETRY_DELAYS_S = (0.2,)
# What was claimed or started is worth waiting for the database: five minutes, for a failover or a restart.
_DATABASE_RECOVERY_DELAYS_S = (0.2, 0.5, 1.0, *[2.0] * 149)
# Without these nothing can be uploaded; without the others work is taken, and waits or fails with a reason.
_REQUIRED_PARTS = ("database", "code store")
_HEALTH_TIMEOUT_S = 2.0
_HEALTH_KEPT_S = 1.0


# What is in the data directory.
_DATABASE, _CODE, _LOG = "service-server.sqlite3", "code", "log"
_PENDING, _OUTPUT = "pending-logs", "output"


def _data_dir(settings: Settings) -> Path:
    return prepare_data_directory(settings.data_dir)


def _database(settings: Settings) -> sa.Engine:
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
    # A connection for every thread that may want one: none waits for another.
    threads = settings.http_threads + settings.storage_threads + settings.worker_threads
    ca_file = None if settings.rds_ca_file is None else str(settings.rds_ca_file)
    return create_engine(url, DatabaseOptions(pool_size=threads, tls_ca=ca_file))


def _code_store(settings: Settings) -> ObjectStore:
    if settings.code_bucket is None:
        return FilesystemObjectStore(_data_dir(settings) / _CODE, settings.base_url)
    # Imported here, for boto3 takes memory and a third of a second from those who do without it.
    from adapters.s3.buckets import code_bucket  # noqa: PLC0415 - as said above

    return code_bucket(
        settings.code_bucket, settings.code_region, settings.aws_endpoint_url, settings.aws_credentials
    )


def _log_store(settings: Settings) -> ObjectStore:
    if settings.log_bucket is None:
        return FilesystemObjectStore(_data_dir(settings) / _LOG, settings.base_url)
    from adapters.s3.buckets import log_bucket  # noqa: PLC0415 - likewise

    expiry_s = settings.log_url_expiry_s if settings.presign_logs else None
    where = (settings.log_bucket, settings.log_region, settings.aws_endpoint_url, settings.aws_credentials)
    return log_bucket(*where, expiry_s)


def _result_spool(settings: Settings) -> ResultSpool:
    return FilesystemResultSpool(_data_dir(settings) / _PENDING, settings.pending_results_mb << 20)


def _backup_archive(settings: Settings) -> BackupArchive:
    return BackupArchive(_data_dir(settings), _DATABASE, (_CODE, _LOG), _PENDING, DRAFTS)


def _cluster_metrics(settings: Settings, clock: Clock) -> ClusterMetrics:
    if settings.ecs_cluster_name is None:
        return HostClusterMetrics(clock)
    from adapters.cloudwatch.client import build_client  # noqa: PLC0415 - likewise
    from adapters.cloudwatch.cluster_metrics import CloudWatchClusterMetrics  # noqa: PLC0415 - likewise

    client = build_client(
        settings.ecs_region or settings.code_region,
        endpoint_url=settings.cloudwatch_endpoint_url,
        **settings.aws_credentials,
    )
    return CloudWatchClusterMetrics(client, clock)


def _engine(settings: Settings, code_store: ObjectStore, limit_policy: LimitPolicy) -> ExecutionEngine:
    if settings.uses_runners:
        from adapters.http_engine.engine import HttpEngine  # noqa: PLC0415 - likewise

        return HttpEngine(
            settings.engine_url,
            settings.engine_languages,
            run_urls=settings.run_urls,
            inline_bytes=settings.inline_output_bytes,
            spool_directory=_data_dir(settings),
        )
    return LocalEngine(
        code_store,
        _data_dir(settings) / "work",
        inline_output_bytes=settings.inline_output_bytes,
        isolated=settings.sandbox != "off",
        warm_starts=settings.warm_starts,
        usual_limits=limit_policy.resolve({}),
        hidden=[_data_dir(settings), *(file.resolve().parent for file in [Path(".env")] if file.exists())],
        retrying=RetryPolicy(_STORAGE_RETRY_DELAYS_S),
    )


def _broker(settings: Settings) -> QueueBroker:
    if settings.redis_url is None:
        return EmbeddedBroker()
    from adapters.dramatiq_queue.redis_broker import RedisQueueBroker  # noqa: PLC0415 - likewise

    return RedisQueueBroker(settings.redis_url.get_secret_value())


def _event_feed(settings: Settings) -> EventFeed:
    if settings.redis_url is None:
        return InProcessEventFeed()
    from adapters.redis_feed.event_feed import RedisEventFeed  # noqa: PLC0415 - likewise

    return RedisEventFeed(settings.redis_url.get_secret_value(), InProcessEventFeed())


def _output_feed(settings: Settings) -> OutputFeed:
    if settings.redis_url is None:
        journal = OutputJournal(_data_dir(settings) / _OUTPUT, KEPT_BYTES)
        return InProcessOutputFeed(KEPT_BYTES, journal)
    from adapters.redis_feed.output_feed import RedisOutputFeed  # noqa: PLC0415 - likewise

    return RedisOutputFeed(settings.redis_url.get_secret_value(), InProcessOutputFeed())


class Container(containers.DeclarativeContainer):
    """Every part of the service, each made once, when it is first asked for."""

    settings = providers.Dependency(instance_of=Settings)
    limit_policy = providers.Dependency(instance_of=LimitPolicy)
    submission_limits = settings.provided.submission_limits

    clock = providers.ThreadSafeSingleton(SystemClock)
    ids = providers.ThreadSafeSingleton(Uuid7Generator)
    worker_name = providers.ThreadSafeSingleton(worker_name)

    database = providers.ThreadSafeSingleton(_database, settings)
    backup_archive = providers.Factory(_backup_archive, settings)
    migrate_up = providers.Callable(migrate.upgrade, database)
    migrate_down = providers.Callable(migrate.downgrade, database)
    schema_revision = providers.Callable(migrate.current, database)
    schema_differences = providers.Callable(migrate.check, database)
    schema_is_newer = providers.Callable(migrate.is_newer)
    schema_foreign_tables = providers.Callable(migrate.foreign_tables, database)
    # Given what it imports when it is called.
    legacy_import = providers.Factory(LegacyImport, database, limit_policy, clock.provided.now.call())
    message_relay = providers.ThreadSafeSingleton(InProcessMessageRelay)
    unit_of_work = providers.ThreadSafeSingleton(SqlUnitOfWork, database, message_relay)
    job_queries = providers.ThreadSafeSingleton(SqlJobQueries, database)
    dashboard_queries = providers.ThreadSafeSingleton(SqlDashboardQueries, database)
    code_store = providers.ThreadSafeSingleton(_code_store, settings)
    log_store = providers.ThreadSafeSingleton(_log_store, settings)
    cluster_metrics = providers.ThreadSafeSingleton(_cluster_metrics, settings, clock)
    engine = providers.ThreadSafeSingleton(_engine, settings, code_store, limit_policy)
    event_feed = providers.ThreadSafeSingleton(_event_feed, settings)
    output_feed = providers.ThreadSafeSingleton(_output_feed, settings)
    broker = providers.ThreadSafeSingleton(_broker, settings)
    publisher = providers.ThreadSafeSingleton(DramatiqPublisher, broker, event_feed)
    dead_letters = providers.ThreadSafeSingleton(DramatiqDeadLetters, broker)

    in_flight = providers.ThreadSafeSingleton(InFlightExecutions)
    outbox_writer = providers.ThreadSafeSingleton(OutboxWriter, ids)
    poison_jobs = providers.ThreadSafeSingleton(PoisonJobHandler, outbox_writer)
    data_directory = providers.Callable(_data_dir, settings)
    log_archive = providers.ThreadSafeSingleton(
        LogArchive,
        log_store,
        providers.ThreadSafeSingleton(RetryPolicy, _LOG_STORAGE_RETRY_DELAYS_S),
        data_directory,
    )
    result_spool = providers.ThreadSafeSingleton(_result_spool, settings)

    upload_code = providers.ThreadSafeSingleton(
        UploadCode,
        unit_of_work,
        code_store,
        engine,
        outbox_writer,
        clock,
        ids,
        limit_policy,
        submission_limits,
    )
    execute_job = providers.ThreadSafeSingleton(
        ExecuteJob, unit_of_work, outbox_writer, clock, ids, submission_limits
    )
    cancel_job = providers.ThreadSafeSingleton(CancelJob, unit_of_work, outbox_writer, clock)
    get_job = providers.ThreadSafeSingleton(GetJob, job_queries)
    get_job_status = providers.ThreadSafeSingleton(GetJobStatus, job_queries)
    get_project = providers.ThreadSafeSingleton(GetProject, unit_of_work)
    get_timeline = providers.ThreadSafeSingleton(GetTimeline, job_queries, dashboard_queries, engine)
    list_jobs = providers.ThreadSafeSingleton(ListJobs, unit_of_work, job_queries)
    create_project = providers.ThreadSafeSingleton(CreateProject, unit_of_work, clock, submission_limits)
    list_projects = providers.ThreadSafeSingleton(ListProjects, unit_of_work)
    change_project = providers.ThreadSafeSingleton(ChangeProject, unit_of_work)
    read_log = providers.ThreadSafeSingleton(ReadLog, log_store, settings.provided.max_log_read_bytes)
    read_code = providers.ThreadSafeSingleton(ReadCode, code_store, settings.provided.max_code_bytes)
    run_again = providers.ThreadSafeSingleton(RunAgain, get_job, read_code, upload_code)
    read_output = providers.ThreadSafeSingleton(
        ReadOutput, job_queries, log_store, settings.provided.max_log_read_bytes
    )
    summarize_projects = providers.ThreadSafeSingleton(
        SummarizeProjects, unit_of_work, dashboard_queries, clock
    )
    queue_history = providers.ThreadSafeSingleton(QueueHistory, dashboard_queries, clock)
    measure_outcomes = providers.ThreadSafeSingleton(MeasureOutcomes, dashboard_queries, clock)
    describe_engine = providers.ThreadSafeSingleton(
        DescribeEngine, engine, dashboard_queries, settings.provided.worker_threads
    )
    read_cluster_metrics = providers.ThreadSafeSingleton(ReadClusterMetrics, cluster_metrics)
    list_metric_names = providers.ThreadSafeSingleton(ListMetricNames, cluster_metrics)
    list_languages = providers.ThreadSafeSingleton(ListLanguages, engine)
    health_checks = providers.Dict(
        {
            "code store": code_store.provided.check,
            "log store": providers.Factory(CheckLogStore, log_store, unit_of_work),
        },
        database=unit_of_work.provided.check,
        queue=publisher.provided.check,
        engine=engine.provided.check,
    )
    check_health = providers.ThreadSafeSingleton(
        CheckHealth,
        health_checks,
        _REQUIRED_PARTS,
        _HEALTH_TIMEOUT_S,
        _HEALTH_KEPT_S,
    )

    complete_execution = providers.ThreadSafeSingleton(CompleteExecution, unit_of_work, outbox_writer, clock)
    until_heard_of = providers.ThreadSafeSingleton(RetryPolicy, _DATABASE_RECOVERY_DELAYS_S)
    finish_execution = providers.ThreadSafeSingleton(
        FinishExecution,
        unit_of_work,
        log_archive,
        result_spool,
        complete_execution,
        until_heard_of,
        clock,
        worker_name,
        settings.provided.pending_results_s,
    )
    report_completion = providers.ThreadSafeSingleton(
        ReportCompletion,
        unit_of_work,
        providers.ThreadSafeSingleton(
            RunnerReportReader, settings.provided.inline_output_bytes, data_directory
        ),
        finish_execution,
    )
    stop_execution = providers.ThreadSafeSingleton(StopExecution, unit_of_work, engine, in_flight)
    claim_execution = providers.ThreadSafeSingleton(
        ClaimExecution,
        unit_of_work,
        engine,
        poison_jobs,
        until_heard_of,
        clock,
        worker_name,
        settings.provided.lease_s,
    )
    run_execution = providers.ThreadSafeSingleton(
        RunExecution,
        unit_of_work,
        engine,
        output_feed,
        in_flight,
        claim_execution,
        providers.ThreadSafeSingleton(
            MarkStarted, unit_of_work, outbox_writer, message_relay, clock, worker_name
        ),
        finish_execution,
        result_spool,
        providers.ThreadSafeSingleton(ReplaceExecution, unit_of_work, outbox_writer, clock, ids),
        providers.ThreadSafeSingleton(
            DeferExecution, unit_of_work, worker_name, settings.provided.engine_wait_s
        ),
        stop_execution,
        until_heard_of,
        worker_name,
    )
    renew_leases = providers.ThreadSafeSingleton(
        RenewLeases, unit_of_work, in_flight, worker_name, settings.provided.lease_s
    )
    drain_executions = providers.ThreadSafeSingleton(DrainExecutions, renew_leases, engine, in_flight)
    recover_orphans = providers.ThreadSafeSingleton(
        RecoverOrphans,
        unit_of_work,
        publisher,
        outbox_writer,
        clock,
        ids,
        poison_jobs,
        renew_leases,
        output_feed,
        worker_name,
        settings.provided.inline_output_bytes,
        engine,
        settings.provided.announce_after_s,
        settings.provided.renew_every_s,
    )
    follow_outages = providers.ThreadSafeSingleton(
        FollowOutages, unit_of_work, engine, outbox_writer, clock, settings.provided.engine_wait_s
    )
    forget_processed_messages = providers.ThreadSafeSingleton(
        ForgetProcessedMessages, unit_of_work, clock, settings.provided.receipts_kept_days
    )
    relay_outbox = providers.ThreadSafeSingleton(
        RelayOutbox, unit_of_work, publisher, settings.provided.relay_left_behind_after_s
    )
    # Given the handlers of messages when it is called.
    queue_worker = providers.Factory(QueueWorker, broker, threads=settings.provided.worker_threads)


def build_container(settings: Settings | None = None, limit_policy: LimitPolicy | None = None) -> Container:
    """Wire the service for some settings: those of the environment if none are given."""
    return Container(settings=settings or Settings(), limit_policy=limit_policy or LimitSettings().policy())
