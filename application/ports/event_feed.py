from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from application.messages import Message

Listener = Callable[[Message], None]


class EventFeed(ABC):
    """What happens, told to whoever listens at that moment. A hint: it may be missed, the database not."""

    @abstractmethod
    def publish(self, messages: Sequence[Message]) -> None:
        """Tell the listeners of every process.

        Raises:
            DependencyUnavailable: The other processes cannot be reached.
        """

    @abstractmethod
    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every message from now on; return what ends that.

        A listener is called on the publisher's or the feed's own thread, so it returns at once and does not
        raise.
        """
