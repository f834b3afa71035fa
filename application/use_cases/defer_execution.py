"""Command: return an execution to the queue whose engine could not start it."""

import logging

from application.ports.execution_engine import ExecutionEngine
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.retry_policy import RetryPolicy
from domain.execution import Execution
from domain.job import Job

logger = logging.getLogger("service_server.executions")


class DeferExecution:
    """Put an execution back in the queue whose program could not be started.

    Its engine was away or had no room, the store of its code was away, or its runtime is not here.

    * It is the same execution, and no attempt of its job's: its program has not run.
    * It waits for a bounded time from when it was deferred first; then it has to fail.
    * One whose runtime is on the machine of another worker is left to that one, and its wait is not bounded.
    * It waits in the queue of its runtime, so that this worker does not claim it again at once.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        engine: ExecutionEngine,
        outcome_retry: RetryPolicy,
        worker: str,
        wait_s: float,
        alive_s: float,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._engine = engine
        self._outcome_retry = outcome_retry
        self._worker = worker
        self._wait_s = wait_s
        self._alive_s = alive_s

    def __call__(self, claimed: Execution, job: Job) -> bool:
        """Defer the execution; return False if it has waited too long, or its job has ended.

        Args:
            claimed: The execution as this worker claimed it.
            job: Its job.
        """
        queue, cause = job.spec.queue, self._engine.lacks(job.spec)

        def work(transaction: Transaction) -> bool:
            within_s: float | None = self._wait_s
            if cause is not None and queue in transaction.heartbeats.served(self._alive_s, self._worker):
                within_s = None
            if within_s == 0:
                return False
            return transaction.executions.defer(claimed, self._worker, within_s, queue)

        is_deferred = self._unit_of_work.run(work, self._outcome_retry)
        if is_deferred:
            logger.info(
                "execution %s requeued: its program could not be started%s",
                claimed.id,
                "" if cause is None else f", for {cause}",
            )
        return is_deferred
