"""The port to the messages that a transaction publishes."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

from application.messages import Message
from domain.values import MessageId


class Outbox(ABC):
    """Messages that are published if and only if the transaction that adds them commits.

    A message that may be lost is published at most once, any other at least once.
    """

    @abstractmethod
    def add(self, messages: Sequence[Message]) -> None:
        """Add messages, which the unit of work passes to the relay after its commit.

        Messages that may be lost are not stored.
        """

    @abstractmethod
    def fetch_stale(self, longer_than_s: float, limit: int) -> Sequence[Message]:
        """Reserve and return messages added, and last reserved, longer ago than a time; oldest first.

        Other processes get none of them for the same time, and do not wait for the reserving transaction.
        """

    @abstractmethod
    def remove(self, message_ids: Collection[MessageId]) -> None:
        """Remove published messages; some may already be removed."""
