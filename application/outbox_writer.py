"""The way of domain events into the outbox."""

from collections.abc import Iterable

from application.messages import Message
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction
from domain.events import Event
from domain.values import MessageId


class OutboxWriter:
    """Writes domain events to the outbox of a transaction, as messages."""

    def __init__(self, ids: IdGenerator) -> None:
        self._ids = ids

    def messages(self, events: Iterable[Event]) -> list[Message]:
        """Turn events into messages, each with a new id."""
        return [Message.of(MessageId(self._ids.new()), event) for event in events]

    def add(self, transaction: Transaction, events: Iterable[Event]) -> None:
        """Add events, to be published once the transaction has committed."""
        transaction.outbox.add(self.messages(events))
