"""Command: return an execution to the queue because its program could not be started."""

import logging

from application.ports.execution_engine import ExecutionEngine
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.retry_policy import RetryPolicy
from domain.execution import Execution
from domain.job import Job
from domain.retrying import Backoff

logger = logging.getLogger("service_server.executions")


class DeferExecution:
    """Puts an execution back in the queue because its program could not be started.

    Its engine was unavailable or full, the code store was unavailable, or its runtime is not on this machine.

    * It stays the same execution and does not use up an attempt of its job, because its program has not run.
    * Its wait is limited, counted from the first deferral; after that it has to fail.
    * If its runtime is on another worker's machine, it is left to that worker, and its wait is not limited.
    * It waits in the queue of its runtime, so that this worker does not claim it again at once.
    * If the engine refused this program but may start others, it cannot be claimed again before a delay,
      because it is likely to be the oldest and would be claimed before the others. The delay is as long as
      the execution has waited since its first deferral.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        engine: ExecutionEngine,
        outcome_retry: RetryPolicy,
        worker: str,
        backoff: Backoff,
        wait_s: float,
        alive_s: float,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._engine = engine
        self._outcome_retry = outcome_retry
        self._worker = worker
        self._backoff = backoff
        self._wait_s = wait_s
        self._alive_s = alive_s

    def __call__(self, claimed: Execution, job: Job, *, is_refused: bool = False) -> bool:
        """Defer the execution; return False if it has waited too long, or its job has ended.

        Args:
            claimed: The execution as this worker claimed it.
            job: Its job.
            is_refused: Whether the engine refused this program and may start others.
        """
        queue, cause = job.spec.queue, self._engine.lacks(job.spec)
        delay_s = self._backoff.after(_waited_s(claimed)) if is_refused else 0.0

        def work(transaction: Transaction) -> bool:
            within_s: float | None = self._wait_s
            if cause is not None and queue in transaction.heartbeats.served(self._alive_s, self._worker):
                within_s = None
            if within_s == 0:
                return False
            return transaction.executions.defer(claimed, self._worker, within_s, queue, delay_s)

        is_deferred = self._unit_of_work.run(work, self._outcome_retry)
        if is_deferred:
            logger.info(
                "execution %s requeued: its program could not be started%s",
                claimed.id,
                "" if cause is None else f", for {cause}",
            )
        return is_deferred


def _waited_s(claimed: Execution) -> float:
    if claimed.deferred_since is None or claimed.claimed_at is None:
        return 0.0
    return (claimed.claimed_at - claimed.deferred_since).total_seconds()
