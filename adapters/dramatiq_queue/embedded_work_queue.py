"""The work queue of a service in one process."""

from dramatiq.brokers.stub import StubBroker

from adapters.dramatiq_queue.messages import EXECUTIONS, MAX_WAITING, wake_up
from application.errors import DependencyUnavailable
from application.ports.work_queue import WorkQueue


class EmbeddedWorkQueue(WorkQueue):
    """Wake-ups in this process, on Dramatiq's in-memory broker.

    Args:
        max_waiting: The length from which wake-ups are refused. Their events stay in the outbox.
    """

    def __init__(self, broker: StubBroker, max_waiting: int = MAX_WAITING) -> None:
        self.broker = broker
        self.broker.declare_queue(EXECUTIONS)
        self._max_waiting = max_waiting

    def wake(self, times: int) -> None:
        """Enqueue wake-ups.

        Raises:
            DependencyUnavailable: The queue is full.
        """
        if self.backlog() >= self._max_waiting:
            raise DependencyUnavailable("queue", f"{self._max_waiting} wake-ups wait in it already")
        for _ in range(times):
            self.broker.enqueue(wake_up())

    def backlog(self) -> int:
        """Count the wake-ups that no worker has taken."""
        return int(self.broker.queues[EXECUTIONS].qsize())

    def check(self) -> None:
        """Do nothing: the queue is always within reach."""
