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
    def backlog(self, name: str) -> int:
        """Return how many messages of a name have been published and not been taken.

        Raises:
            DependencyUnavailable: That cannot be found out.
        """

    @abstractmethod
    def check(self) -> None:
        """Find out cheaply whether messages can be published.

        Raises:
            DependencyUnavailable: They cannot.
        """
