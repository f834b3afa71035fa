from abc import ABC, abstractmethod
from collections.abc import Sequence

from application.messages import Message


class MessageRelay(ABC):
    """Takes the messages of a commit from the caller's hands, to publish them."""

    @abstractmethod
    def offer(self, messages: Sequence[Message]) -> None:
        """Take messages that were committed, or that may be lost. Never blocks and never raises."""
