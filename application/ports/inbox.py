"""The port to the record of processed messages."""

from abc import ABC, abstractmethod
from datetime import datetime


class Inbox(ABC):
    """The messages of others that were acted on, so that one delivered twice is acted on once."""

    @abstractmethod
    def add(self, source: str, message_id: str, now: datetime) -> bool:
        """Record a message; return False if it was recorded before."""

    @abstractmethod
    def forget(self, before: datetime, limit: int) -> int:
        """Remove the records of messages that came before a time, so many at most; return how many."""
