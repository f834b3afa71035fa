from collections.abc import Sequence

from application.errors import DependencyUnavailable
from application.messages import Message
from application.ports.message_publisher import MessagePublisher


class MemoryMessagePublisher(MessagePublisher):
    """Keeps published messages.

    Attributes:
        published: The messages, in the order they came.
        is_available: Whether publishing works; set it to False and it is refused.
    """

    def __init__(self) -> None:
        self.published: list[Message] = []
        self.is_available = True

    def publish(self, messages: Sequence[Message]) -> None:
        """Keep messages."""
        self.check()
        self.published.extend(messages)

    def backlog(self, name: str) -> int:
        """Return how many messages of a name were published: none is consumed here."""
        self.check()
        return sum(message.name == name for message in self.published)

    def check(self) -> None:
        """Find out whether publishing works."""
        if not self.is_available:
            raise DependencyUnavailable("queue", "it was told to be")
