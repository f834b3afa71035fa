from collections.abc import Sequence

from application.messages import Message
from application.ports.message_relay import MessageRelay


class RecordingRelay(MessageRelay):
    """Records the messages that it was offered."""

    def __init__(self) -> None:
        self.offered: list[Message] = []

    def offer(self, messages: Sequence[Message]) -> None:
        """Remember the messages."""
        self.offered.extend(messages)
