"""Commands on jobs and batches, and reads of them."""

from dataclasses import dataclass

from application.output_cache import OutputCache
from application.queries.batch_reader import BatchReader
from application.queries.job_reader import JobReader
from application.queries.wait_causes import WaitCauses
from application.service_options import ServiceOptions
from application.submission_store import SubmissionStore
from application.submissions import SubmissionPreparer
from application.use_cases.act_on_jobs import ActOnJobs
from application.use_cases.cancel_batch import CancelBatch
from application.use_cases.cancel_job import CancelJob
from application.use_cases.complete_batches import CompleteBatches
from application.use_cases.delete_job import DeleteJob
from application.use_cases.execute_job import ExecuteJob
from application.use_cases.read_code import ReadCode
from application.use_cases.read_file import ReadFile
from application.use_cases.read_log import ReadLog
from application.use_cases.read_output import ReadOutput
from application.use_cases.run_again import RunAgain
from application.use_cases.submit_batch import SubmitBatch
from application.use_cases.tag_job import TagJob
from application.use_cases.upload_code import UploadCode
from application.wiring.ports import Ports
from application.wiring.shared_parts import SharedParts


@dataclass(frozen=True, kw_only=True)
class JobServices:
    """Commands on jobs and batches, and reads of them."""

    upload_code: UploadCode
    execute_job: ExecuteJob
    cancel_job: CancelJob
    run_again: RunAgain
    act_on_jobs: ActOnJobs
    delete_job: DeleteJob
    job_reader: JobReader
    read_code: ReadCode
    read_log: ReadLog
    read_output: ReadOutput
    read_file: ReadFile
    wait_causes: WaitCauses
    submit_batch: SubmitBatch
    cancel_batch: CancelBatch
    complete_batches: CompleteBatches
    batch_reader: BatchReader


def build_job_services(*, ports: Ports, options: ServiceOptions, shared: SharedParts) -> JobServices:
    """Build the services of the subsystem."""
    preparer = SubmissionPreparer(
        unit_of_work=shared.caller_unit_of_work,
        engine=ports.engine,
        secret_sealer=ports.secret_sealer,
        webhook_secrets=shared.webhook_secrets,
        ids=ports.ids,
        limit_policy=options.limit_policy,
        submission_limits=options.submission_limits,
    )
    submission_store = SubmissionStore(
        unit_of_work=shared.caller_unit_of_work,
        code_store=ports.code_store,
        blobs=shared.blobs,
        quota_guard=shared.quota_guard,
        clock=ports.clock,
        max_code_bytes=options.submission_limits.code_bytes,
        objects_kept=options.retention_rules.orphans_kept,
    )
    upload_code = UploadCode(
        unit_of_work=shared.caller_unit_of_work,
        preparer=preparer,
        store=submission_store,
        outbox_writer=shared.outbox_writer,
        quota_guard=shared.quota_guard,
        clock=ports.clock,
    )
    job_reader = JobReader(
        job_queries=ports.job_queries,
        dashboard_queries=ports.dashboard_queries,
        unit_of_work=ports.unit_of_work,
        engine=ports.engine,
        clock=ports.clock,
        wait_causes=shared.wait_causes,
    )
    cancel_job = CancelJob(
        unit_of_work=shared.caller_unit_of_work,
        outbox_writer=shared.outbox_writer,
        wake_workers=shared.wake_workers,
        clock=ports.clock,
    )
    run_again = RunAgain(job_reader=job_reader, upload_code=upload_code, tracing=ports.tracing)
    delete_job = DeleteJob(unit_of_work=shared.caller_unit_of_work)
    tag_job = TagJob(
        unit_of_work=shared.caller_unit_of_work,
        clock=ports.clock,
        submission_limits=options.submission_limits,
    )
    batch_reader = BatchReader(unit_of_work=ports.unit_of_work)
    cancel_batch = CancelBatch(
        caller_unit_of_work=shared.caller_unit_of_work,
        unit_of_work=ports.unit_of_work,
        batch_reader=batch_reader,
        outbox_writer=shared.outbox_writer,
        wake_workers=shared.wake_workers,
        clock=ports.clock,
    )
    return JobServices(
        upload_code=upload_code,
        execute_job=ExecuteJob(
            unit_of_work=shared.caller_unit_of_work,
            outbox_writer=shared.outbox_writer,
            quota_guard=shared.quota_guard,
            clock=ports.clock,
            ids=ports.ids,
            submission_limits=options.submission_limits,
        ),
        cancel_job=cancel_job,
        run_again=run_again,
        act_on_jobs=ActOnJobs(
            unit_of_work=ports.unit_of_work,
            idempotent_requests=shared.idempotent_requests,
            job_reader=job_reader,
            cancel_job=cancel_job,
            run_again=run_again,
            delete_job=delete_job,
            tag_job=tag_job,
            clock=ports.clock,
            max_jobs=options.max_job_actions,
        ),
        delete_job=delete_job,
        job_reader=job_reader,
        read_code=ReadCode(code_store=ports.code_store),
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
        read_file=ReadFile(job_queries=ports.job_queries, blobs=shared.blobs),
        wait_causes=shared.wait_causes,
        submit_batch=SubmitBatch(
            unit_of_work=shared.caller_unit_of_work,
            preparer=preparer,
            store=submission_store,
            outbox_writer=shared.outbox_writer,
            webhook_writer=shared.webhook_writer,
            webhook_secrets=shared.webhook_secrets,
            submission_limits=options.submission_limits,
            quota_guard=shared.quota_guard,
            clock=ports.clock,
            ids=ports.ids,
            max_jobs=options.max_batch_jobs,
        ),
        cancel_batch=cancel_batch,
        complete_batches=CompleteBatches(
            unit_of_work=ports.unit_of_work,
            outbox_writer=shared.outbox_writer,
            webhook_writer=shared.webhook_writer,
            cancel_batch=cancel_batch,
            clock=ports.clock,
        ),
        batch_reader=batch_reader,
    )
