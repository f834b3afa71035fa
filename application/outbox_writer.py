"""Writing of domain events to the outbox."""

from collections.abc import Iterable, Sequence

from application.log_context import trace_context
from application.messages import Message
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction
from application.webhook_writer import WebhookWriter
from domain.events import Event
from domain.job import Job
from domain.values import MessageId


class OutboxWriter:
    """Writes domain events as messages to the outbox of a transaction, and to webhooks."""

    def __init__(self, ids: IdGenerator, webhook_writer: WebhookWriter) -> None:
        self._ids = ids
        self._webhook_writer = webhook_writer

    def messages(self, events: Iterable[Event]) -> list[Message]:
        """Convert events to messages of the current trace, each with a new id."""
        trace = trace_context.get()
        return [Message.of(MessageId(self._ids.new()), event, trace) for event in events]

    def add(self, transaction: Transaction, events: Sequence[Event], job: Job | None) -> None:
        """Add events, which are published after the transaction commits.

        Args:
            transaction: The transaction of the events.
            events: The events of one job.
            job: The job after the events; None if it cannot be read, in which case no webhook is written.
        """
        transaction.outbox.add(self.messages(events))
        if job is not None:
            self._webhook_writer.add_job_events(transaction, [(event, job) for event in events], noted=job.id)
