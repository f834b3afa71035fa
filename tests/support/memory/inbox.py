from datetime import datetime

from application.ports.inbox import Inbox
from tests.support.memory.database import Tables


class MemoryInbox(Inbox):
    """The received messages in a transaction's tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, source: str, message_id: str, now: datetime) -> bool:
        """Record a message; return False if it was already recorded."""
        key = (source, message_id)
        is_new = key not in self._tables.inbox
        self._tables.inbox.setdefault(key, now)
        return is_new

    def forget(self, before: datetime, limit: int) -> int:
        """Remove the records of messages received before a time; return their number."""
        old = [key for key, received_at in self._tables.inbox.items() if received_at < before][:limit]
        for key in old:
            del self._tables.inbox[key]
        return len(old)
