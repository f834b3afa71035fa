from datetime import datetime

from adapters.memory.database import Tables
from application.ports.inbox import Inbox


class MemoryInbox(Inbox):
    """The messages of others in a transaction's tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, source: str, message_id: str, now: datetime) -> bool:  # noqa: ARG002 (nobody reads it here)
        """Record a message; return False if it was recorded before."""
        key = (source, message_id)
        is_new = key not in self._tables.inbox
        self._tables.inbox.add(key)
        return is_new
