from collections.abc import Sequence

from application.errors import DependencyUnavailable
from application.messages import Message
from application.ports.message_publisher import MessagePublisher
from application.ports.message_relay import MessageRelay


class MemoryMessageRelay(MessageRelay):
    """Keeps what is offered and, given a publisher, publishes it at once on the caller's thread.

    Attributes:
        offered: The messages, in the order they came.
    """

    def __init__(self, publisher: MessagePublisher | None = None) -> None:
        self.offered: list[Message] = []
        self._publisher = publisher

    def offer(self, messages: Sequence[Message]) -> None:
        """Take messages; those that cannot be published are left to the outbox."""
        self.offered.extend(messages)
        if self._publisher is None:
            return
        try:
            self._publisher.publish(messages)
        except DependencyUnavailable:
            return
