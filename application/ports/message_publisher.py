from abc import ABC, abstractmethod
from collections.abc import Sequence

from application.messages import Message


class MessagePublisher(ABC):
    """Brings messages to those who act on them, at least once and in no promised order."""

    @abstractmethod
    def publish(self, messages: Sequence[Message]) -> None:
        """Publish messages.

        Raises:
            DependencyUnavailable: Some or all of them could not be published.
        """

    @abstractmethod
    def check(self) -> None:
        """Find out cheaply whether messages can be published.

        Raises:
            DependencyUnavailable: They cannot.
        """
