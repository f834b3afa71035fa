"""The port to the relay of committed messages."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from application.messages import Message


class MessageRelay(ABC):
    """Publishes the messages of each commit right after the commit."""

    @abstractmethod
    def offer(self, messages: Sequence[Message]) -> None:
        """Accept messages that are in the outbox, or that may be lost. Never blocks or raises."""
