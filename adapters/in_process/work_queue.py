"""Work queue for a service in one process."""

from queue import SimpleQueue

from application.errors import DependencyUnavailable
from application.ports.work_queue import MAX_WAITING, WorkQueue


class InProcessWorkQueue(WorkQueue):
    """Wake-ups between the threads of this process.

    Args:
        max_waiting: The queue length at which further wake-ups are refused.
    """

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        # None interrupts a wait.
        self._waiting: SimpleQueue[int | None] = SimpleQueue()
        self._max_waiting = max_waiting

    def wake(self, times: int) -> None:
        """Enqueue wake-ups.

        Raises:
            DependencyUnavailable: The queue is full.
        """
        if self.backlog() >= self._max_waiting:
            raise DependencyUnavailable("queue", f"{self._max_waiting} wake-ups are already queued")
        for _ in range(times):
            self._waiting.put(1)

    def take(self) -> bool:
        """Wait for a wake-up and take it; return whether there was one before the wait ended."""
        return self._waiting.get() is not None

    def interrupt(self) -> None:
        """End the wait of a thread in `take` immediately."""
        self._waiting.put(None)

    def backlog(self) -> int:
        """Return the number of wake-ups that no thread has taken."""
        return self._waiting.qsize()

    def check(self) -> None:
        """Do nothing: the queue is always available."""

    def close(self) -> None:
        """Do nothing: there are no connections."""
