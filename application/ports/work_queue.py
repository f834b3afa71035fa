"""The port to the workers' wake-ups."""

from abc import ABC, abstractmethod

# The length from which a queue refuses wake-ups: it has enough of them.
MAX_WAITING = 10_000


class WorkQueue(ABC):
    """Wake-ups for workers: each means that an execution waits, and names none.

    The claim decides which execution is next. A lost wake-up delays work and loses none.

    Attributes:
        takes_by_turns: Whether one thread at a time is to wait in `take`, since a wait occupies a connection.
    """

    takes_by_turns = False

    @abstractmethod
    def wake(self, times: int) -> None:
        """Enqueue wake-ups, one for each execution that waits.

        Raises:
            DependencyUnavailable: The queue is out of reach or full; some may have been enqueued.
        """

    @abstractmethod
    def take(self) -> bool:
        """Wait for a wake-up and take it; return whether there was one before the wait ended.

        Raises:
            DependencyUnavailable: The queue is out of reach.
        """

    @abstractmethod
    def interrupt(self) -> None:
        """End the wait of a thread in `take`, at once or within a second."""

    @abstractmethod
    def backlog(self) -> int:
        """Count the wake-ups that no worker has taken.

        Raises:
            DependencyUnavailable: The queue is out of reach.
        """

    @abstractmethod
    def check(self) -> None:
        """Verify cheaply that wake-ups can be enqueued.

        Raises:
            DependencyUnavailable: The queue is out of reach.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""
