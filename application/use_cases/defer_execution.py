"""Command: return an execution to the queue whose engine could not start it."""

import logging

from application.ports.unit_of_work import UnitOfWork
from application.retry_policy import RetryPolicy
from domain.execution import Execution

logger = logging.getLogger("service_server.executions")


class DeferExecution:
    """Put an execution back in the queue whose program could not be started.

    Its engine was away or had no room, or the store of its code was away.

    * It is the same execution, and no attempt of its job's: its program has not run.
    * It waits for a bounded time from when it was deferred first; then it has to fail.
    """

    def __init__(
        self, unit_of_work: UnitOfWork, outcome_retry: RetryPolicy, worker: str, wait_s: float
    ) -> None:
        self._unit_of_work = unit_of_work
        self._outcome_retry = outcome_retry
        self._worker = worker
        self._wait_s = wait_s

    def __call__(self, claimed: Execution) -> bool:
        """Defer the execution; return False if it has waited too long, or its job has ended.

        Args:
            claimed: The execution as this worker claimed it.
        """
        is_deferred = self._wait_s > 0 and self._unit_of_work.run(
            lambda transaction: transaction.executions.defer(claimed, self._worker, self._wait_s),
            self._outcome_retry,
        )
        if is_deferred:
            logger.info("execution %s requeued: its program could not be started", claimed.id)
        return is_deferred
