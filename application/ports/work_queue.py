"""The port to the workers' wake-ups."""

from abc import ABC, abstractmethod

# The length at which a queue refuses further wake-ups.
MAX_WAITING = 10_000


class WorkQueue(ABC):
    """Wake-ups for workers: each means that some execution is waiting, without naming it.

    The claim decides which execution is next. A lost wake-up delays work but loses none.

    Attributes:
        takes_by_turns: Whether only one thread at a time should wait in `take`, because a wait occupies a
            connection.
    """

    takes_by_turns = False

    @abstractmethod
    def wake(self, times: int) -> None:
        """Enqueue wake-ups, one for each waiting execution.

        Raises:
            DependencyUnavailable: The queue is unavailable or full; some may have been enqueued.
        """

    @abstractmethod
    def take(self) -> bool:
        """Wait for a wake-up and take it; return whether one came before the wait ended.

        Raises:
            DependencyUnavailable: The queue is unavailable.
        """

    @abstractmethod
    def interrupt(self) -> None:
        """Interrupt a thread that waits in `take`, at once or within a second."""

    @abstractmethod
    def backlog(self) -> int:
        """Return the number of wake-ups that no worker has taken.

        Raises:
            DependencyUnavailable: The queue is unavailable.
        """

    @abstractmethod
    def check(self) -> None:
        """Check cheaply that wake-ups can be enqueued.

        Raises:
            DependencyUnavailable: The queue is unavailable.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""
