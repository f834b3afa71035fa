"""Command: release executions whose delay is over."""

from application.ports.unit_of_work import UnitOfWork
from application.ports.work_queue import WorkQueue

# The maximum number released in one transaction.
_BATCH = 100


class ReleaseDelayed:
    """Releases delayed executions, which follow failed ones or were refused, when their delay is over.

    * The delay is stored with the execution and measured by the database's clock, so it also elapses while no
      process runs.
    * Any number of processes may release at the same time; each releases different executions.
    """

    def __init__(self, unit_of_work: UnitOfWork, work_queue: WorkQueue) -> None:
        self._unit_of_work = unit_of_work
        self._work_queue = work_queue

    def __call__(self) -> int:
        """Release a batch of executions that are due; return how many.

        Raises:
            DependencyUnavailable: The database is unavailable.
        """
        if not self._unit_of_work.read(lambda transaction: transaction.executions.has_due()):
            return 0
        released = self._unit_of_work.run(lambda transaction: transaction.executions.release(_BATCH))
        if released:
            self._work_queue.wake(len(released))
        return len(released)
