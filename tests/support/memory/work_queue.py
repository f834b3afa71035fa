from application.errors import DependencyUnavailable
from application.ports.work_queue import WorkQueue


class MemoryWorkQueue(WorkQueue):
    """Counts the wake-ups.

    Attributes:
        wake_ups: The number of wake-ups that were enqueued: no worker takes them.
        is_available: Whether the queue works; set it to False and it is out of reach.
    """

    def __init__(self) -> None:
        self.wake_ups = 0
        self.is_available = True

    def wake(self, times: int) -> None:
        """Count wake-ups."""
        self.check()
        self.wake_ups += times

    def backlog(self) -> int:
        """Return the number of wake-ups so far."""
        self.check()
        return self.wake_ups

    def check(self) -> None:
        """Verify that the queue works."""
        if not self.is_available:
            raise DependencyUnavailable("queue", "it was set to be")
