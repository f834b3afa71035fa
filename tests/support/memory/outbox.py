from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime

from application.messages import Message
from application.ports.outbox import Outbox
from domain.values import MessageId
from tests.support.memory.database import StoredMessage, Tables, is_older


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
        """Store messages that must not be lost, and record all messages for the relay."""
        for message in messages:
            if not message.may_be_lost:
                self._tables.outbox[message.id] = StoredMessage(message, self._now())
        self.added.extend(messages)

    def fetch_stale(self, longer_than_s: float, limit: int) -> Sequence[Message]:
        """Take messages that were not taken for longer than this, oldest first."""
        now = self._now()
        outbox = self._tables.outbox.values()
        found = [stored for stored in outbox if is_older(stored.in_hand_since, longer_than_s, now)]
        found.sort(key=lambda stored: (stored.added_at, stored.message.id))
        for stored in found[:limit]:
            self._tables.outbox[stored.message.id] = replace(stored, taken_at=now)
        return [stored.message for stored in found[:limit]]

    def remove(self, message_ids: Collection[MessageId]) -> None:
        """Remove messages that were published."""
        for message_id in message_ids:
            self._tables.outbox.pop(message_id, None)
