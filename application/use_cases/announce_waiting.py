"""Command: wake workers again for executions that have waited for long."""

from application.ports.unit_of_work import UnitOfWork
from application.ports.work_queue import WorkQueue
from application.tenant_separation import TenantSeparation


class AnnounceWaiting:
    """Enqueues wake-ups for executions that have waited unclaimed for long: their wake-up may be lost.

    * Executions that no claim would get are left out, such as those held back by their tenant's quota.
    * The queue gets no more wake-ups than it has room for.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        work_queue: WorkQueue,
        separation: TenantSeparation,
        after_s: float,
        max_wake_ups: int,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._work_queue = work_queue
        self._separation = separation
        self._after_s = after_s
        self._max_wake_ups = max_wake_ups

    def __call__(self) -> int:
        """Wake workers; return for how many executions.

        Raises:
            DependencyUnavailable: The database or the queue is unavailable.
        """
        room = self._max_wake_ups - self._work_queue.backlog()
        if room <= 0:
            return 0
        queues = self._separation.startable_queues()
        waiting = self._unit_of_work.read(
            lambda transaction: transaction.executions.waiting(self._after_s, room, queues)
        )
        if waiting:
            self._work_queue.wake(len(waiting))
        return len(waiting)
