"""The port to the feed of events between processes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from application.messages import Message

Listener = Callable[[Message], None]


class EventFeed(ABC):
    """Passes events to the listeners of every process. Some may be missed: the database decides."""

    @abstractmethod
    def publish(self, messages: Sequence[Message]) -> None:
        """Pass messages to the listeners of every process.

        Raises:
            DependencyUnavailable: The other processes cannot be reached.
        """

    @abstractmethod
    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every message from now on; return a function that unsubscribes it.

        A listener is called on the publisher's or the feed's own thread, so it must return at once and not
        raise.
        """
