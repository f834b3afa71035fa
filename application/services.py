"""The assembly of the application: its ports, and the use cases built from them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from application.authenticator import Authenticator
from application.blobs import Blobs
from application.caller_unit_of_work import CallerUnitOfWork
from application.case_judge import CaseJudges
from application.case_programs import CasePrograms
from application.case_ranges import CaseRanges
from application.claim_observer import ExecutionProgress
from application.idempotent_requests import IdempotentRequests
from application.in_flight_cases import InFlightCases
from application.in_flight_executions import InFlightExecutions
from application.log_archive import LogArchive
from application.log_links import LogLinks
from application.outbox_writer import OutboxWriter
from application.output_cache import OutputCache
from application.poison_jobs import PoisonJobHandler
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
from application.ports.purge_repository import StoreName
from application.ports.rate_limiter import RateLimiter
from application.ports.result_spool import ResultSpool
from application.ports.secret_sealer import SecretSealer
from application.ports.tracing import Tracing
from application.ports.unit_of_work import UnitOfWork
from application.ports.webhook_documents import WebhookDocuments
from application.ports.webhook_sender import WebhookSender
from application.ports.work_queue import WorkQueue
from application.process_figures import ProcessFigures, SharedFigures
from application.queries.audit_reader import AuditReader, UsageReader
from application.queries.batch_reader import BatchReader
from application.queries.case_set_reader import CaseSetReader
from application.queries.cluster_history_reader import ClusterHistoryReader, history_steps
from application.queries.cluster_reader import ClusterReader
from application.queries.job_reader import JobReader
from application.queries.project_reader import ProjectReader
from application.queries.queue_reader import QueueReader
from application.queries.retention_reader import RetentionReader
from application.queries.session_reader import SessionReader
from application.queries.tenant_reader import KeyReader, TenantReader
from application.queries.wait_causes import WaitCauses
from application.queries.webhook_reader import WebhookReader
from application.quota_guard import QuotaGuard
from application.record_refusal import RecordRefusal
from application.service_options import ServiceOptions
from application.session_authenticator import SessionAuthenticator
from application.session_opener import SessionOpener
from application.submission_store import SubmissionStore
from application.submissions import SubmissionPreparer
from application.tenant_separation import TenantSeparation
from application.use_cases.act_on_jobs import ActOnJobs
from application.use_cases.apply_retention import ApplyRetention
from application.use_cases.cancel_batch import CancelBatch
from application.use_cases.cancel_job import CancelJob
from application.use_cases.change_project import ChangeProject
from application.use_cases.change_tenant import ChangeTenant
from application.use_cases.change_webhook import ChangeWebhook
from application.use_cases.check_health import CheckHealth
from application.use_cases.check_log_store import CheckLogStore
from application.use_cases.claim_execution import ClaimExecution
from application.use_cases.complete_batches import CompleteBatches
from application.use_cases.complete_execution import CompleteExecution
from application.use_cases.create_key import CreateKey
from application.use_cases.create_project import CreateProject
from application.use_cases.create_tenant import CreateTenant
from application.use_cases.create_webhook import CreateWebhook
from application.use_cases.defer_execution import DeferExecution
from application.use_cases.delete_case_set import DeleteCaseSet
from application.use_cases.delete_job import DeleteJob
from application.use_cases.delete_tenant import DeleteTenant
from application.use_cases.deliver_webhooks import DeliverWebhooks
from application.use_cases.drain_executions import DrainExecutions
from application.use_cases.execute_job import ExecuteJob
from application.use_cases.finish_execution import FinishExecution
from application.use_cases.follow_outages import FollowOutages
from application.use_cases.forget_old_records import Forget, ForgetOldRecords
from application.use_cases.post_audit_entries import PostAuditEntries
from application.use_cases.publish_backlog import PublishBacklog
from application.use_cases.put_case_set import PutCaseSet
from application.use_cases.read_artifact import ReadArtifact
from application.use_cases.read_code import ReadCode
from application.use_cases.read_file import ReadFile
from application.use_cases.read_log import ReadLog
from application.use_cases.read_output import ReadOutput
from application.use_cases.record_cluster_sample import RecordClusterSample
from application.use_cases.recover_orphans import RecoverOrphans
from application.use_cases.redeliver_event import RedeliverEvent
from application.use_cases.relay_outbox import RelayOutbox
from application.use_cases.release_delayed import ReleaseDelayed
from application.use_cases.remove_deleted import RemoveDeleted
from application.use_cases.remove_unused_blobs import RemoveUnusedBlobs
from application.use_cases.renew_leases import RenewLeases
from application.use_cases.replace_execution import ReplaceExecution
from application.use_cases.report_completion import ReportCompletion
from application.use_cases.revoke_key import RevokeKey
from application.use_cases.rotate_key import RotateKey
from application.use_cases.rotate_webhook import RotateWebhook
from application.use_cases.run_again import RunAgain
from application.use_cases.run_cases import RunCases
from application.use_cases.run_execution import RunExecution
from application.use_cases.run_standalone import RunStandalone
from application.use_cases.send_test_event import SendTestEvent
from application.use_cases.set_quota import SetQuota
from application.use_cases.set_retention import SetRetention
from application.use_cases.sign_in_with_identity import SignInWithIdentity
from application.use_cases.sign_in_with_key import SignInWithKey
from application.use_cases.sign_out import SignOut
from application.use_cases.stop_execution import StopExecution
from application.use_cases.submit_batch import SubmitBatch
from application.use_cases.switch_tenant import SwitchTenant
from application.use_cases.tag_job import TagJob
from application.use_cases.upload_code import UploadCode
from application.use_cases.verify_audit_log import VerifyAuditLog
from application.use_cases.wake_workers import WakeWorkers
from application.webhook_secrets import WebhookSecrets
from application.webhook_writer import WebhookWriter

# Uploads need these; while others are unavailable, work is accepted and waits or fails with a reason.
_REQUIRED_PARTS = ("database", "code store")
_HEALTH_TIMEOUT_S = 2.0
_HEALTH_KEPT_S = 1.0


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


@dataclass(frozen=True, kw_only=True)
class Services:
    """Every use case and reader that entrypoints call."""

    # Callers
    authenticator: Authenticator
    session_authenticator: SessionAuthenticator
    sign_in_with_key: SignInWithKey
    sign_in_with_identity: SignInWithIdentity
    sign_out: SignOut
    switch_tenant: SwitchTenant
    session_reader: SessionReader
    idempotent_requests: IdempotentRequests
    record_refusal: RecordRefusal

    # Jobs
    upload_code: UploadCode
    execute_job: ExecuteJob
    cancel_job: CancelJob
    run_again: RunAgain
    act_on_jobs: ActOnJobs
    delete_job: DeleteJob
    submit_batch: SubmitBatch
    cancel_batch: CancelBatch
    batch_reader: BatchReader
    job_reader: JobReader
    read_code: ReadCode
    read_log: ReadLog
    read_output: ReadOutput
    read_artifact: ReadArtifact
    read_file: ReadFile
    wait_causes: WaitCauses

    # Projects and case sets
    create_project: CreateProject
    change_project: ChangeProject
    project_reader: ProjectReader
    put_case_set: PutCaseSet
    delete_case_set: DeleteCaseSet
    case_set_reader: CaseSetReader
    blobs: Blobs

    # Tenants and keys
    create_tenant: CreateTenant
    change_tenant: ChangeTenant
    delete_tenant: DeleteTenant
    tenant_reader: TenantReader
    set_quota: SetQuota
    usage_reader: UsageReader
    set_retention: SetRetention
    retention_reader: RetentionReader
    create_key: CreateKey
    rotate_key: RotateKey
    revoke_key: RevokeKey
    key_reader: KeyReader
    audit_reader: AuditReader
    verify_audit_log: VerifyAuditLog

    # Webhooks
    create_webhook: CreateWebhook
    change_webhook: ChangeWebhook
    rotate_webhook: RotateWebhook
    send_test_event: SendTestEvent
    redeliver_event: RedeliverEvent
    webhook_reader: WebhookReader
    webhook_writer: WebhookWriter
    deliver_webhooks: DeliverWebhooks

    # The cluster
    cluster_reader: ClusterReader
    cluster_history_reader: ClusterHistoryReader
    queue_reader: QueueReader
    check_health: CheckHealth

    # Executions
    claim_execution: ClaimExecution
    run_execution: RunExecution
    run_standalone: RunStandalone
    complete_execution: CompleteExecution
    finish_execution: FinishExecution
    report_completion: ReportCompletion
    stop_execution: StopExecution
    renew_leases: RenewLeases
    drain_executions: DrainExecutions
    in_flight: InFlightExecutions
    in_flight_cases: InFlightCases

    # Periodic tasks
    recover_orphans: RecoverOrphans
    follow_outages: FollowOutages
    release_delayed: ReleaseDelayed
    relay_outbox: RelayOutbox
    complete_batches: CompleteBatches
    post_audit_entries: PostAuditEntries
    record_cluster_sample: RecordClusterSample
    publish_backlog: PublishBacklog
    apply_retention: ApplyRetention
    remove_deleted: RemoveDeleted
    remove_unused_blobs: RemoveUnusedBlobs
    forget_sessions: ForgetOldRecords
    forget_processed_messages: ForgetOldRecords
    forget_idempotency_keys: ForgetOldRecords
    forget_deliveries: ForgetOldRecords
    forget_webhooks: ForgetOldRecords


def build_services(*, ports: Ports, options: ServiceOptions) -> Services:
    """Build every use case with the given adapters.

    All constructors are called here with keywords, so that a type checker verifies the wiring.
    """
    in_flight, in_flight_cases = InFlightExecutions(), InFlightCases()
    options = options.counting_retries(ports.measurements)
    separation = TenantSeparation(
        unit_of_work=ports.unit_of_work,
        engine=ports.engine,
        clock=ports.clock,
        is_required=options.separates_tenants,
    )
    check_health = _health_check(ports, options, separation)
    stores = {StoreName.CODE: ports.code_store, StoreName.LOG: ports.log_store}
    webhook_writer = WebhookWriter(clock=ports.clock, ids=ports.ids)
    webhook_secrets = WebhookSecrets(sealer=ports.webhook_sealer)
    outbox_writer = OutboxWriter(ids=ports.ids, webhook_writer=webhook_writer)
    poison_jobs = PoisonJobHandler(outbox_writer=outbox_writer)
    idempotent_requests = IdempotentRequests(
        unit_of_work=ports.unit_of_work, kept_hours=options.idempotency_keys_kept_hours
    )
    record_refusal = RecordRefusal(unit_of_work=ports.unit_of_work, clock=ports.clock, ids=ports.ids)
    caller_unit_of_work = CallerUnitOfWork(
        unit_of_work=ports.unit_of_work,
        idempotent_requests=idempotent_requests,
        record_refusal=record_refusal,
        clock=ports.clock,
        ids=ports.ids,
    )

    blobs = Blobs(unit_of_work=ports.unit_of_work, code_store=ports.code_store)
    quota_guard = QuotaGuard(clock=ports.clock)
    preparer = SubmissionPreparer(
        unit_of_work=caller_unit_of_work,
        engine=ports.engine,
        secret_sealer=ports.secret_sealer,
        webhook_secrets=webhook_secrets,
        ids=ports.ids,
        limit_policy=options.limit_policy,
        submission_limits=options.submission_limits,
    )
    submission_store = SubmissionStore(
        unit_of_work=caller_unit_of_work,
        code_store=ports.code_store,
        blobs=blobs,
        quota_guard=quota_guard,
        clock=ports.clock,
        max_code_bytes=options.submission_limits.code_bytes,
        objects_kept=options.retention_rules.orphans_kept,
    )
    upload_code = UploadCode(
        unit_of_work=caller_unit_of_work,
        preparer=preparer,
        store=submission_store,
        outbox_writer=outbox_writer,
        quota_guard=quota_guard,
        clock=ports.clock,
    )
    wait_causes = WaitCauses(
        unit_of_work=ports.unit_of_work,
        dashboard_queries=ports.dashboard_queries,
        slots=options.worker_threads,
        alive_s=options.lease_s,
    )
    job_reader = JobReader(
        job_queries=ports.job_queries,
        dashboard_queries=ports.dashboard_queries,
        unit_of_work=ports.unit_of_work,
        engine=ports.engine,
        clock=ports.clock,
        wait_causes=wait_causes,
    )
    complete_execution = CompleteExecution(
        unit_of_work=ports.unit_of_work,
        outbox_writer=outbox_writer,
        clock=ports.clock,
        ids=ports.ids,
        measurements=ports.measurements,
        tracing=ports.tracing,
        backoff=options.backoff,
    )
    finish_execution = FinishExecution(
        unit_of_work=ports.unit_of_work,
        log_archive=LogArchive(
            job_queries=ports.job_queries,
            log_store=ports.log_store,
            retry=options.log_storage_retry,
            spool_directory=options.spool_directory,
        ),
        blobs=Blobs(
            unit_of_work=ports.unit_of_work,
            code_store=ports.code_store,
            removal_retry=options.log_storage_retry,
        ),
        spool=ports.result_spool,
        complete_execution=complete_execution,
        retry=options.database_retry,
        clock=ports.clock,
        worker=options.worker,
        kept_s=options.pending_results_s,
    )
    stop_execution = StopExecution(
        unit_of_work=ports.unit_of_work,
        engine=ports.engine,
        in_flight=in_flight,
        in_flight_cases=in_flight_cases,
    )
    ports.measurements.watch(
        ProcessFigures(
            engine=ports.engine,
            spool=ports.result_spool,
            in_flight=in_flight,
            in_flight_cases=in_flight_cases,
            check_health=check_health,
            slots=options.slots,
        )
    )
    ports.measurements.watch(SharedFigures(ports.operation_queries, ports.clock))
    claim_execution = ClaimExecution(
        unit_of_work=ports.unit_of_work,
        engine=ports.engine,
        separation=separation,
        poison_jobs=poison_jobs,
        outcome_retry=options.database_retry,
        clock=ports.clock,
        worker=options.worker,
        lease_s=options.lease_s,
    )
    wake_workers = WakeWorkers(
        unit_of_work=ports.unit_of_work,
        work_queue=ports.work_queue,
        clock=ports.clock,
        max_wake_ups=options.max_wake_ups,
        worker_threads=options.worker_threads,
    )
    cancel_job = CancelJob(
        unit_of_work=caller_unit_of_work,
        outbox_writer=outbox_writer,
        wake_workers=wake_workers,
        clock=ports.clock,
    )
    run_again = RunAgain(job_reader=job_reader, upload_code=upload_code, tracing=ports.tracing)
    delete_job = DeleteJob(unit_of_work=caller_unit_of_work)
    tag_job = TagJob(
        unit_of_work=caller_unit_of_work, clock=ports.clock, submission_limits=options.submission_limits
    )
    batch_reader = BatchReader(unit_of_work=ports.unit_of_work)
    cancel_batch = CancelBatch(
        caller_unit_of_work=caller_unit_of_work,
        unit_of_work=ports.unit_of_work,
        batch_reader=batch_reader,
        outbox_writer=outbox_writer,
        wake_workers=wake_workers,
        clock=ports.clock,
    )
    complete_batches = CompleteBatches(
        unit_of_work=ports.unit_of_work,
        outbox_writer=outbox_writer,
        webhook_writer=webhook_writer,
        cancel_batch=cancel_batch,
        clock=ports.clock,
    )
    renew_leases = RenewLeases(
        unit_of_work=ports.unit_of_work,
        in_flight=in_flight,
        in_flight_cases=in_flight_cases,
        worker=options.worker,
        lease_s=options.lease_s,
    )
    run_cases = RunCases(
        unit_of_work=ports.unit_of_work,
        engine=ports.engine,
        separation=separation,
        programs=CasePrograms(
            unit_of_work=ports.unit_of_work,
            engine=ports.engine,
            judges=CaseJudges(engine=ports.engine, limits=options.judge_limits),
            blobs=blobs,
            clock=ports.clock,
            ids=ports.ids,
            retry=options.database_retry,
        ),
        ranges=CaseRanges(
            unit_of_work=ports.unit_of_work,
            in_flight=in_flight_cases,
            outbox_writer=outbox_writer,
            clock=ports.clock,
            ids=ports.ids,
            retry=options.database_retry,
            lease_s=options.lease_s,
            worker_threads=options.worker_threads,
        ),
        work_queue=ports.work_queue,
        in_flight=in_flight_cases,
        secret_sealer=ports.secret_sealer,
        clock=ports.clock,
        retry=options.database_retry,
        max_s=options.cases_max_s,
        tracing=ports.tracing,
    )
    run_execution = RunExecution(
        unit_of_work=ports.unit_of_work,
        engine=ports.engine,
        output_feed=ports.output_feed,
        in_flight=in_flight,
        claim_execution=claim_execution,
        run_cases=run_cases,
        progress=ExecutionProgress(
            unit_of_work=ports.unit_of_work,
            engine=ports.engine,
            outbox_writer=outbox_writer,
            relay=ports.message_relay,
            clock=ports.clock,
            retry=options.database_retry,
            worker=options.worker,
        ),
        finish_execution=finish_execution,
        spool=ports.result_spool,
        replace_execution=ReplaceExecution(
            unit_of_work=ports.unit_of_work, outbox_writer=outbox_writer, clock=ports.clock, ids=ports.ids
        ),
        defer_execution=DeferExecution(
            unit_of_work=ports.unit_of_work,
            engine=ports.engine,
            outcome_retry=options.database_retry,
            worker=options.worker,
            backoff=options.backoff,
            wait_s=options.engine_wait_s,
            alive_s=options.lease_s,
        ),
        stop_execution=stop_execution,
        wake_workers=wake_workers,
        secret_sealer=ports.secret_sealer,
        measurements=ports.measurements,
        tracing=ports.tracing,
        retry=options.database_retry,
        clock=ports.clock,
        worker=options.worker,
    )
    session_idle = timedelta(seconds=options.session_idle_s)
    cluster_history_steps = history_steps(options.cluster_history_kept_days)
    session_opener = SessionOpener(
        unit_of_work=caller_unit_of_work,
        clock=ports.clock,
        ids=ports.ids,
        max_age=timedelta(seconds=options.session_max_s),
    )
    session_authenticator = SessionAuthenticator(
        unit_of_work=ports.unit_of_work, clock=ports.clock, idle=session_idle
    )
    audit_reader = AuditReader(unit_of_work=ports.unit_of_work)
    record_cluster_sample = RecordClusterSample(
        unit_of_work=ports.unit_of_work,
        dashboard_queries=ports.dashboard_queries,
        metrics=ports.cluster_metrics,
        clock=ports.clock,
        cluster=options.cluster,
        steps=cluster_history_steps,
        patience_s=options.sample_patience_s,
    )

    def forgetting(forget: Forget, kept: timedelta) -> ForgetOldRecords:
        return ForgetOldRecords(unit_of_work=ports.unit_of_work, clock=ports.clock, forget=forget, kept=kept)

    return Services(
        # Callers
        authenticator=Authenticator(unit_of_work=ports.unit_of_work, clock=ports.clock),
        session_authenticator=session_authenticator,
        sign_in_with_key=SignInWithKey(
            unit_of_work=ports.unit_of_work,
            session_opener=session_opener,
            record_refusal=record_refusal,
            clock=ports.clock,
        ),
        sign_in_with_identity=SignInWithIdentity(
            unit_of_work=ports.unit_of_work,
            identity_provider=ports.identity_provider,
            membership_rules=options.membership_rules,
            session_opener=session_opener,
            record_refusal=record_refusal,
        ),
        sign_out=SignOut(
            unit_of_work=caller_unit_of_work,
            session_authenticator=session_authenticator,
            clock=ports.clock,
        ),
        switch_tenant=SwitchTenant(
            unit_of_work=caller_unit_of_work, session_authenticator=session_authenticator
        ),
        session_reader=SessionReader(unit_of_work=ports.unit_of_work, clock=ports.clock, idle=session_idle),
        idempotent_requests=idempotent_requests,
        record_refusal=record_refusal,
        # Jobs
        upload_code=upload_code,
        execute_job=ExecuteJob(
            unit_of_work=caller_unit_of_work,
            outbox_writer=outbox_writer,
            quota_guard=quota_guard,
            clock=ports.clock,
            ids=ports.ids,
            submission_limits=options.submission_limits,
        ),
        cancel_job=cancel_job,
        run_again=run_again,
        act_on_jobs=ActOnJobs(
            unit_of_work=ports.unit_of_work,
            idempotent_requests=idempotent_requests,
            job_reader=job_reader,
            cancel_job=cancel_job,
            run_again=run_again,
            delete_job=delete_job,
            tag_job=tag_job,
            clock=ports.clock,
            max_jobs=options.max_job_actions,
        ),
        delete_job=delete_job,
        submit_batch=SubmitBatch(
            unit_of_work=caller_unit_of_work,
            preparer=preparer,
            store=submission_store,
            outbox_writer=outbox_writer,
            webhook_writer=webhook_writer,
            webhook_secrets=webhook_secrets,
            submission_limits=options.submission_limits,
            quota_guard=quota_guard,
            clock=ports.clock,
            ids=ports.ids,
            max_jobs=options.max_batch_jobs,
        ),
        cancel_batch=cancel_batch,
        batch_reader=batch_reader,
        job_reader=job_reader,
        read_code=ReadCode(code_store=ports.code_store, max_bytes=options.max_code_bytes),
        read_log=ReadLog(
            job_queries=ports.job_queries,
            log_store=ports.log_store,
            log_links=ports.log_links,
            max_bytes=options.max_log_read_bytes,
        ),
        read_output=ReadOutput(
            job_queries=ports.job_queries,
            log_store=ports.log_store,
            max_bytes=options.max_log_read_bytes,
            cache=OutputCache(ports.clock, options.max_cached_output_bytes),
        ),
        read_artifact=ReadArtifact(job_queries=ports.job_queries, blobs=blobs),
        read_file=ReadFile(job_queries=ports.job_queries, blobs=blobs),
        wait_causes=wait_causes,
        # Projects and case sets
        create_project=CreateProject(
            unit_of_work=caller_unit_of_work,
            clock=ports.clock,
            submission_limits=options.submission_limits,
        ),
        change_project=ChangeProject(unit_of_work=caller_unit_of_work, clock=ports.clock, ids=ports.ids),
        project_reader=ProjectReader(
            unit_of_work=ports.unit_of_work, dashboard_queries=ports.dashboard_queries, clock=ports.clock
        ),
        put_case_set=PutCaseSet(
            unit_of_work=caller_unit_of_work,
            blobs=blobs,
            quota_guard=quota_guard,
            clock=ports.clock,
            ids=ports.ids,
            limit_policy=options.limit_policy,
            submission_limits=options.submission_limits,
        ),
        delete_case_set=DeleteCaseSet(unit_of_work=caller_unit_of_work),
        case_set_reader=CaseSetReader(unit_of_work=ports.unit_of_work, blobs=blobs),
        blobs=blobs,
        # Tenants and keys
        create_tenant=CreateTenant(
            unit_of_work=caller_unit_of_work, clock=ports.clock, separation=separation
        ),
        change_tenant=ChangeTenant(
            unit_of_work=caller_unit_of_work, wake_workers=wake_workers, separation=separation
        ),
        delete_tenant=DeleteTenant(unit_of_work=caller_unit_of_work, clock=ports.clock, ids=ports.ids),
        tenant_reader=TenantReader(unit_of_work=ports.unit_of_work),
        set_quota=SetQuota(unit_of_work=caller_unit_of_work, wake_workers=wake_workers),
        usage_reader=UsageReader(unit_of_work=ports.unit_of_work, clock=ports.clock),
        set_retention=SetRetention(unit_of_work=caller_unit_of_work, default=options.retention_rules.default),
        retention_reader=RetentionReader(
            unit_of_work=ports.unit_of_work, default=options.retention_rules.default
        ),
        create_key=CreateKey(
            unit_of_work=caller_unit_of_work,
            clock=ports.clock,
            ids=ports.ids,
            max_keys=options.max_keys,
        ),
        rotate_key=RotateKey(
            unit_of_work=caller_unit_of_work,
            clock=ports.clock,
            ids=ports.ids,
            max_keys=options.max_keys,
        ),
        revoke_key=RevokeKey(unit_of_work=caller_unit_of_work, clock=ports.clock),
        key_reader=KeyReader(unit_of_work=ports.unit_of_work, clock=ports.clock),
        audit_reader=audit_reader,
        verify_audit_log=VerifyAuditLog(audit_reader=audit_reader),
        # Webhooks
        create_webhook=CreateWebhook(
            unit_of_work=caller_unit_of_work,
            secrets=webhook_secrets,
            clock=ports.clock,
            ids=ports.ids,
            submission_limits=options.submission_limits,
            max_webhooks=options.max_webhooks,
            max_of_project=options.max_webhooks_of_project,
        ),
        change_webhook=ChangeWebhook(unit_of_work=caller_unit_of_work),
        rotate_webhook=RotateWebhook(
            unit_of_work=caller_unit_of_work, secrets=webhook_secrets, clock=ports.clock
        ),
        send_test_event=SendTestEvent(
            unit_of_work=caller_unit_of_work,
            webhook_writer=webhook_writer,
            clock=ports.clock,
            ids=ports.ids,
        ),
        redeliver_event=RedeliverEvent(unit_of_work=caller_unit_of_work),
        webhook_reader=WebhookReader(unit_of_work=ports.unit_of_work),
        webhook_writer=webhook_writer,
        deliver_webhooks=DeliverWebhooks(
            unit_of_work=ports.unit_of_work,
            job_queries=ports.job_queries,
            batch_reader=batch_reader,
            sender=ports.webhook_sender,
            documents=ports.webhook_documents,
            secrets=webhook_secrets,
            clock=ports.clock,
            ids=ports.ids,
            measurements=ports.measurements,
            tracing=ports.tracing,
            rules=options.delivery_rules,
        ),
        # The cluster
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
        queue_reader=QueueReader(dashboard_queries=ports.dashboard_queries, wait_causes=wait_causes),
        check_health=check_health,
        # Executions
        claim_execution=claim_execution,
        run_execution=run_execution,
        run_standalone=RunStandalone(unit_of_work=ports.unit_of_work, run_execution=run_execution),
        complete_execution=complete_execution,
        finish_execution=finish_execution,
        report_completion=ReportCompletion(
            unit_of_work=ports.unit_of_work,
            reader=ports.report_reader,
            finish_execution=finish_execution,
            wake_workers=wake_workers,
            tracing=ports.tracing,
        ),
        stop_execution=stop_execution,
        renew_leases=renew_leases,
        drain_executions=DrainExecutions(
            renew_leases=renew_leases,
            engine=ports.engine,
            in_flight=in_flight,
            in_flight_cases=in_flight_cases,
        ),
        in_flight=in_flight,
        in_flight_cases=in_flight_cases,
        # Periodic tasks
        recover_orphans=RecoverOrphans(
            unit_of_work=ports.unit_of_work,
            work_queue=ports.work_queue,
            outbox_writer=outbox_writer,
            clock=ports.clock,
            ids=ports.ids,
            poison_jobs=poison_jobs,
            renew_leases=renew_leases,
            output_feed=ports.output_feed,
            backoff=options.backoff,
            worker=options.worker,
            inline_bytes=options.inline_output_bytes,
            engine=ports.engine,
            announce_after_s=options.announce_after_s,
            renew_every_s=options.renew_every_s,
            max_wake_ups=options.max_wake_ups,
            wake_workers=wake_workers,
            measurements=ports.measurements,
        ),
        follow_outages=FollowOutages(
            unit_of_work=ports.unit_of_work,
            engine=ports.engine,
            outbox_writer=outbox_writer,
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
        complete_batches=complete_batches,
        post_audit_entries=PostAuditEntries(unit_of_work=ports.unit_of_work, record_refusal=record_refusal),
        record_cluster_sample=record_cluster_sample,
        publish_backlog=PublishBacklog(
            record_sample=record_cluster_sample,
            operation_queries=ports.operation_queries,
            publisher=ports.backlog_publisher,
            measurements=ports.measurements,
            clock=ports.clock,
        ),
        apply_retention=ApplyRetention(
            unit_of_work=ports.unit_of_work,
            stores={name: stores[name] for name in sorted(options.swept_stores)},
            clock=ports.clock,
            ids=ports.ids,
            rules=options.retention_rules,
            measurements=ports.measurements,
        ),
        remove_deleted=RemoveDeleted(
            unit_of_work=ports.unit_of_work,
            stores=stores,
            output_feed=ports.output_feed,
            outbox_writer=outbox_writer,
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
