"""The port to the messages that a transaction publishes."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

from application.messages import Message
from domain.values import MessageId


class Outbox(ABC):
    """Messages that are published if, and only if, the transaction that adds them commits.

    A message that may be lost is published at most once, any other at least once.
    """

    @abstractmethod
    def add(self, messages: Sequence[Message]) -> None:
        """Add messages; the unit of work hands them to the relay after its commit.

        The ones that may be lost are not stored.
        """

    @abstractmethod
    def fetch_stale(self, longer_than_s: float, limit: int) -> Sequence[Message]:
        """Take messages that were added, and taken last, longer ago than that, the oldest first.

        No other process is given them for as long, nor waits for the transaction that takes them.
        """

    @abstractmethod
    def remove(self, message_ids: Collection[MessageId]) -> None:
        """Forget messages that were published; it is no error if some are gone already."""
