from collections.abc import Sequence

from application.messages import Message
from application.ports.message_relay import MessageRelay


class MemoryMessageRelay(MessageRelay):
    """Keeps the messages that it is offered.

    Attributes:
        offered: The messages, in the order they came.
    """

    def __init__(self) -> None:
        self.offered: list[Message] = []

    def offer(self, messages: Sequence[Message]) -> None:
        """Keep messages."""
        self.offered.extend(messages)
