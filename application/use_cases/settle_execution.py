"""Command: settle an execution after its program ran: complete it, queue it again, or delegate it."""

from application.claim_observer import ExecutionProgress
from application.in_flight_executions import InFlightExecutions
from application.ports.execution_engine import EngineReport, ExecutionEngine
from application.retry_policy import RetryPolicy
from application.use_cases.defer_execution import DeferExecution
from application.use_cases.delegate_execution import DelegateExecution
from application.use_cases.finish_execution import Finish, FinishExecution
from application.use_cases.replace_execution import ReplaceExecution
from application.use_cases.stop_execution import StopExecution
from application.use_cases.wake_workers import WakeWorkers
from domain.execution import Execution
from domain.job import Job
from domain.job_lifecycle import JobStatus
from domain.values import ExecutionId


class SettleExecution:
    """Settles an execution by the report of the engine that ran its program.

    * A program that was stopped because this process shuts down, or that its engine lost, is run again as
      another execution (`ReplaceExecution`).
    * A program that could not be started is queued again as the same execution (`DeferExecution`).
    * An execution whose engine reports its end later is delegated (`DelegateExecution`).
    * Every other execution is finished with its result (`FinishExecution`). After a timeout, the engine is
      asked to stop the program.
    * Workers are woken for executions that may run now.
    """

    def __init__(
        self,
        engine: ExecutionEngine,
        in_flight: InFlightExecutions,
        progress: ExecutionProgress,
        finish_execution: FinishExecution,
        replace_execution: ReplaceExecution,
        defer_execution: DeferExecution,
        delegate_execution: DelegateExecution,
        stop_execution: StopExecution,
        wake_workers: WakeWorkers,
        retry: RetryPolicy,
    ) -> None:
        self._engine = engine
        self._in_flight = in_flight
        self._progress = progress
        self._finish_execution = finish_execution
        self._replace_execution = replace_execution
        self._defer_execution = defer_execution
        self._delegate_execution = delegate_execution
        self._stop_execution = stop_execution
        self._wake_workers = wake_workers
        self._retry = retry

    def __call__(self, job: Job, execution: Execution, report: EngineReport | None) -> None:
        """Settle an execution that ran here.

        Args:
            job: Its job.
            execution: The execution with its recorded start.
            report: The engine's report; None if the engine will report later.
        """
        if report is None:
            self._delegate(job, execution.id)
            return
        with report:
            self._settle(job, execution, report)
        self._wake_workers.after_end(job.tenant)

    def _settle(self, job: Job, execution: Execution, report: EngineReport) -> None:
        execution_id = execution.id
        was_stopped = report.result.status is JobStatus.CANCELLED
        if (
            was_stopped
            and self._in_flight.is_marked_for_requeue(execution_id)
            and self._requeue(job, execution_id)
        ):
            return
        if report.is_lost and self._retry(
            lambda: self._replace_execution(execution_id, job.id, report.result)
        ):
            return
        if report.is_startable:
            if self._retry(lambda: self._defer_execution(execution, job, is_refused=report.is_refused)):
                if self._engine.lacks(job.spec) is not None:
                    self._wake_workers.for_others()
                return
            self._progress.unmark_started(execution_id)
        finish = self._finish_execution(job, execution, report)
        if report.result.status is JobStatus.TIMEOUT:
            if finish is Finish.KEPT:  # the execution is still the current one, so nothing else runs
                self._engine.cancel(execution_id, job.id)
            elif finish is not Finish.UNRECORDED:
                self._stop(job, execution_id)

    def _requeue(self, job: Job, execution_id: ExecutionId) -> bool:
        # The engine is told first; after the replacement it might stop the new execution.
        self._engine.cancel(execution_id, job.id)
        return self._replace_execution(execution_id, job.id)

    def _stop(self, job: Job, execution_id: ExecutionId) -> None:
        self._retry(lambda: self._stop_execution(execution_id, job.id))

    def _delegate(self, job: Job, execution_id: ExecutionId) -> None:
        is_held = self._retry(lambda: self._delegate_execution(execution_id, job))
        if not is_held:  # cancelled or recovered before the engine's answer was recorded
            self._stop(job, execution_id)
