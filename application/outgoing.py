from collections.abc import Iterable

from application.messages import Message
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction
from domain.events import Event
from domain.values import MessageId


class Outgoing:
    """Puts domain events into a transaction's outbox, in their form outside the process."""

    def __init__(self, ids: IdGenerator) -> None:
        self._ids = ids

    def messages(self, events: Iterable[Event]) -> list[Message]:
        """Give each event its form and an id."""
        return [Message.of(MessageId(self._ids.new()), event) for event in events]

    def add(self, transaction: Transaction, events: Iterable[Event]) -> None:
        """Publish the events if the transaction commits."""
        transaction.outbox.add(self.messages(events))
