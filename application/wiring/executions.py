"""The claim, the run and the end of executions."""

from dataclasses import dataclass

from application.blobs import Blobs
from application.case_judge import CaseJudges
from application.case_programs import CasePrograms
from application.case_ranges import CaseRanges
from application.claim_observer import ExecutionProgress
from application.in_flight_cases import InFlightCases
from application.in_flight_executions import InFlightExecutions
from application.kept_claims import KeptClaims
from application.log_archive import LogArchive
from application.service_options import ServiceOptions
from application.use_cases.claim_execution import ClaimExecution
from application.use_cases.complete_execution import CompleteExecution
from application.use_cases.defer_execution import DeferExecution
from application.use_cases.delegate_execution import DelegateExecution
from application.use_cases.drain_executions import DrainExecutions
from application.use_cases.finish_execution import FinishExecution
from application.use_cases.renew_leases import RenewLeases
from application.use_cases.replace_execution import ReplaceExecution
from application.use_cases.report_completion import ReportCompletion
from application.use_cases.run_cases import RunCases
from application.use_cases.run_execution import RunExecution
from application.use_cases.run_program import RunProgram
from application.use_cases.run_standalone import RunStandalone
from application.use_cases.settle_execution import SettleExecution
from application.use_cases.stop_execution import StopExecution
from application.use_cases.store_kept_results import StoreKeptResults
from application.wiring.ports import Ports
from application.wiring.shared_parts import SharedParts


@dataclass(frozen=True, kw_only=True)
class ExecutionServices:
    """The claim, the run and the end of executions."""

    claim_execution: ClaimExecution
    run_execution: RunExecution
    run_standalone: RunStandalone
    complete_execution: CompleteExecution
    finish_execution: FinishExecution
    store_kept_results: StoreKeptResults
    report_completion: ReportCompletion
    stop_execution: StopExecution
    renew_leases: RenewLeases
    drain_executions: DrainExecutions
    in_flight: InFlightExecutions
    in_flight_cases: InFlightCases


def build_execution_services(
    *, ports: Ports, options: ServiceOptions, shared: SharedParts
) -> ExecutionServices:
    """Build the services of the subsystem."""
    in_flight = InFlightExecutions()
    in_flight_cases = InFlightCases()
    claim_execution = ClaimExecution(
        unit_of_work=ports.unit_of_work,
        engine=ports.engine,
        separation=shared.separation,
        poison_jobs=shared.poison_jobs,
        outcome_retry=options.database_retry,
        clock=ports.clock,
        worker=options.worker,
        lease_s=options.lease_s,
    )
    complete_execution = CompleteExecution(
        unit_of_work=ports.unit_of_work,
        outbox_writer=shared.outbox_writer,
        clock=ports.clock,
        ids=ports.ids,
        measurements=ports.measurements,
        tracing=ports.tracing,
        backoff=options.backoff,
    )
    log_archive = LogArchive(
        job_queries=ports.job_queries,
        log_store=ports.log_store,
        retry=options.log_storage_retry,
        spool_directory=options.spool_directory,
    )
    result_blobs = Blobs(
        unit_of_work=ports.unit_of_work,
        code_store=ports.code_store,
        removal_retry=options.log_storage_retry,
    )
    kept_claims = KeptClaims(
        unit_of_work=ports.unit_of_work,
        clock=ports.clock,
        worker=options.worker,
        kept_s=options.pending_results_s,
    )
    finish_execution = FinishExecution(
        unit_of_work=ports.unit_of_work,
        log_archive=log_archive,
        blobs=result_blobs,
        spool=ports.result_spool,
        complete_execution=complete_execution,
        retry=options.database_retry,
        clock=ports.clock,
        kept_claims=kept_claims,
        kept_s=options.pending_results_s,
    )
    stop_execution = StopExecution(
        unit_of_work=ports.unit_of_work,
        engine=ports.engine,
        in_flight=in_flight,
        in_flight_cases=in_flight_cases,
    )
    renew_leases = RenewLeases(
        unit_of_work=ports.unit_of_work,
        in_flight=in_flight,
        in_flight_cases=in_flight_cases,
        worker=options.worker,
        lease_s=options.lease_s,
    )
    run_cases = _run_cases(ports, options, shared, in_flight_cases)
    progress = ExecutionProgress(
        unit_of_work=ports.unit_of_work,
        engine=ports.engine,
        outbox_writer=shared.outbox_writer,
        relay=ports.message_relay,
        clock=ports.clock,
        retry=options.database_retry,
        worker=options.worker,
    )
    run_execution = RunExecution(
        spool=ports.result_spool,
        claim_execution=claim_execution,
        in_flight=in_flight,
        run_program=RunProgram(
            engine=ports.engine,
            run_cases=run_cases,
            progress=progress,
            output_feed=ports.output_feed,
            secret_sealer=ports.secret_sealer,
            measurements=ports.measurements,
            tracing=ports.tracing,
            clock=ports.clock,
        ),
        settle_execution=SettleExecution(
            engine=ports.engine,
            in_flight=in_flight,
            progress=progress,
            finish_execution=finish_execution,
            replace_execution=ReplaceExecution(
                unit_of_work=ports.unit_of_work,
                outbox_writer=shared.outbox_writer,
                clock=ports.clock,
                ids=ports.ids,
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
            delegate_execution=DelegateExecution(
                unit_of_work=ports.unit_of_work,
                engine=ports.engine,
                outcome_retry=options.database_retry,
                worker=options.worker,
            ),
            stop_execution=stop_execution,
            wake_workers=shared.wake_workers,
            retry=options.database_retry,
        ),
        run_cases=run_cases,
        wake_workers=shared.wake_workers,
        measurements=ports.measurements,
        tracing=ports.tracing,
        clock=ports.clock,
    )
    return ExecutionServices(
        claim_execution=claim_execution,
        run_execution=run_execution,
        run_standalone=RunStandalone(unit_of_work=ports.unit_of_work, run_execution=run_execution),
        complete_execution=complete_execution,
        finish_execution=finish_execution,
        store_kept_results=StoreKeptResults(
            unit_of_work=ports.unit_of_work,
            log_archive=log_archive,
            blobs=result_blobs,
            spool=ports.result_spool,
            complete_execution=complete_execution,
            clock=ports.clock,
            kept_claims=kept_claims,
            kept_s=options.pending_results_s,
        ),
        report_completion=ReportCompletion(
            unit_of_work=ports.unit_of_work,
            reader=ports.report_reader,
            finish_execution=finish_execution,
            wake_workers=shared.wake_workers,
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
    )


def _run_cases(
    ports: Ports, options: ServiceOptions, shared: SharedParts, in_flight_cases: InFlightCases
) -> RunCases:
    return RunCases(
        unit_of_work=ports.unit_of_work,
        engine=ports.engine,
        separation=shared.separation,
        programs=CasePrograms(
            unit_of_work=ports.unit_of_work,
            engine=ports.engine,
            judges=CaseJudges(engine=ports.engine, limits=options.judge_limits),
            blobs=shared.blobs,
            clock=ports.clock,
            ids=ports.ids,
            retry=options.database_retry,
        ),
        ranges=CaseRanges(
            unit_of_work=ports.unit_of_work,
            in_flight=in_flight_cases,
            outbox_writer=shared.outbox_writer,
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
