"""Command: have executions wait for a worker whose delay is over."""

from application.ports.unit_of_work import UnitOfWork
from application.ports.work_queue import WorkQueue


class ReleaseDelayed:
    """Ends the delays of executions that follow failed ones.

    * The database's clock decides, and the delay is stored with the execution: it goes on while no process
      runs.
    * Any number of processes may look at once; each releases other executions.
    """

    def __init__(self, unit_of_work: UnitOfWork, work_queue: WorkQueue, batch: int = 100) -> None:
        self._unit_of_work = unit_of_work
        self._work_queue = work_queue
        self._batch = batch

    def __call__(self) -> int:
        """Release the executions that are due, so many at most; return how many.

        Raises:
            DependencyUnavailable: The database is out of reach.
        """
        if not self._unit_of_work.read(lambda transaction: transaction.executions.has_due()):
            return 0
        released = self._unit_of_work.run(lambda transaction: transaction.executions.release(self._batch))
        if released:
            self._work_queue.wake(len(released))
        return len(released)
