from application.errors import DependencyUnavailable
from application.ports.work_queue import WorkQueue


class MemoryWorkQueue(WorkQueue):
    """Counts the wake-ups.

    Attributes:
        wake_ups: The number of enqueued wake-ups that were not taken.
        is_available: Whether the queue works; False makes it unavailable.
    """

    def __init__(self) -> None:
        self.wake_ups = 0
        self.is_available = True

    def wake(self, times: int) -> None:
        """Count wake-ups."""
        self.check()
        self.wake_ups += times

    def take(self) -> bool:
        """Take a wake-up if there is one."""
        self.check()
        is_woken = self.wake_ups > 0
        self.wake_ups -= is_woken
        return is_woken

    def interrupt(self) -> None:
        """Do nothing, because no call waits."""

    def backlog(self) -> int:
        """Return the number of wake-ups."""
        self.check()
        return self.wake_ups

    def check(self) -> None:
        """Check that the queue works."""
        if not self.is_available:
            raise DependencyUnavailable("queue", "it was set to be")

    def close(self) -> None:
        """Do nothing, because there are no connections."""
