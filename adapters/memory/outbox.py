from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from adapters.memory.database import StoredMessage, Tables
from application.messages import Message
from application.ports.outbox import Outbox
from domain.values import MessageId


class MemoryOutbox(Outbox):
    """The outbox of one transaction.

    Attributes:
        added: The messages that the transaction has added.
    """

    def __init__(self, tables: Tables, now: Callable[[], datetime]) -> None:
        self._tables = tables
        self._now = now
        self.added: list[Message] = []

    def add(self, messages: Sequence[Message]) -> None:
        """Store messages, and remember them for the relay."""
        for message in messages:
            self._tables.outbox[message.id] = StoredMessage(message, self._now())
        self.added.extend(messages)

    def left_behind(self, longer_than_s: float, limit: int) -> Sequence[Message]:
        """Return messages that have been here longer than that, the oldest first."""
        latest = self._now() - timedelta(seconds=longer_than_s)
        found = [stored for stored in self._tables.outbox.values() if stored.added_at <= latest]
        found.sort(key=lambda stored: (stored.added_at, stored.message.id))
        return [stored.message for stored in found[:limit]]

    def remove(self, message_ids: Collection[MessageId]) -> None:
        """Forget messages that were published."""
        for message_id in message_ids:
            self._tables.outbox.pop(message_id, None)
