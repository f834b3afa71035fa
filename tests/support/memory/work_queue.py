from application.errors import DependencyUnavailable
from application.ports.work_queue import WorkQueue


class MemoryWorkQueue(WorkQueue):
    """Counts the wake-ups.

    Attributes:
        wake_ups: The number of wake-ups that were enqueued and not taken.
        is_available: Whether the queue works; set it to False and it is out of reach.
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
        """Do nothing: no call waits."""

    def backlog(self) -> int:
        """Return the number of wake-ups."""
        self.check()
        return self.wake_ups

    def check(self) -> None:
        """Verify that the queue works."""
        if not self.is_available:
            raise DependencyUnavailable("queue", "it was set to be")

    def close(self) -> None:
        """Do nothing: there are no connections."""
