"""The port to the record of processed messages."""

from abc import ABC, abstractmethod
from datetime import datetime


class Inbox(ABC):
    """The messages from other services that were processed, so that a duplicate is processed once."""

    @abstractmethod
    def add(self, source: str, message_id: str, now: datetime) -> bool:
        """Record a message; return False if it was recorded before."""

    @abstractmethod
    def forget(self, before: datetime, limit: int) -> int:
        """Remove up to `limit` records of messages from before a time; return how many."""
