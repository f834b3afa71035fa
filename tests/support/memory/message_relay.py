from collections.abc import Sequence

from application.messages import Message
from application.ports.message_relay import MessageRelay


class MemoryMessageRelay(MessageRelay):
    """Records the messages that are offered.

    Attributes:
        offered: The messages, in order of arrival.
    """

    def __init__(self) -> None:
        self.offered: list[Message] = []

    def offer(self, messages: Sequence[Message]) -> None:
        """Record messages."""
        self.offered.extend(messages)
