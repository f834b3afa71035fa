"""Command: recover executions whose lease has expired (the reaper)."""

import logging
from collections.abc import Callable, Sequence

from application.errors import DependencyUnavailable
from application.ports.clock import Clock
from application.ports.execution_engine import ExecutionEngine
from application.ports.unit_of_work import UnitOfWork
from application.stability_window import StabilityWindow
from application.use_cases.announce_waiting import AnnounceWaiting
from application.use_cases.expire_execution import ExpireExecution
from application.use_cases.renew_leases import RenewLeases
from domain.execution import Execution
from domain.values import ExecutionId, JobId

logger = logging.getLogger("service_server.executions")

# How many executions are recovered in one sweep, at most.
_BATCH = 50
Stop = Callable[[ExecutionId, JobId], None]


def _leave(_execution_id: ExecutionId, _job_id: JobId) -> None:
    """Leave an execution to its engine."""


class RecoverOrphans:
    """Recovers orphans (executions whose lease has expired) and sends wake-ups again for waiting executions.

    * `ExpireExecution` ends an orphan, and `AnnounceWaiting` sends the wake-ups. The caller has the engine of
      a delegated orphan stop it.
    * Any number of processes may sweep at the same time: the first write counts.
    * While the database accepts no writes, no worker can renew a lease; when its clock is set forward, every
      lease expires. A process therefore recovers no execution until its writes have succeeded, with an even
      clock, for two renewal intervals (one renewal may fail). The same holds for a process that has just
      started. Each process renews its own executions first.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        renew_leases: RenewLeases,
        expire_execution: ExpireExecution,
        announce_waiting: AnnounceWaiting,
        engine: ExecutionEngine,
        clock: Clock,
        worker: str,
        renew_every_s: float,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._renew_leases = renew_leases
        self._expire_execution = expire_execution
        self._announce_waiting = announce_waiting
        self._engine = engine
        self._clock = clock
        self._worker = worker
        self._window = StabilityWindow(clock, 2 * renew_every_s)

    def __call__(self, stop: Stop = _leave) -> int:
        """Sweep once; return how many executions were recovered or woken for again.

        Args:
            stop: Asks the engine to stop a delegated execution that was recovered, because its program may
                still run.
        """
        try:
            recovered = sum(self._try_to_recover(execution, stop) for execution in self._overdue())
        except DependencyUnavailable:
            self._window.failed()
            raise
        return recovered + self._announce_waiting()

    def _overdue(self) -> Sequence[Execution]:
        self._renew_leases()
        asked, queues = self._clock.monotonic(), self._engine.served_queues()
        database_time, overdue = self._unit_of_work.run(
            lambda transaction: (
                transaction.heartbeats.beat(self._worker, queues),
                transaction.executions.orphaned(_BATCH),
            )
        )
        return overdue if self._window.succeeded(asked, database_time) else ()

    def _try_to_recover(self, overdue: Execution, stop: Stop) -> bool:
        try:
            is_recovered = self._expire_execution(overdue)
            if is_recovered and overdue.is_delegated:
                stop(overdue.id, overdue.job_id)
        except DependencyUnavailable:
            raise
        except Exception:  # one execution that cannot be recovered must not block the others
            logger.exception("execution %s could not be recovered", overdue.id)
            return False
        return is_recovered
