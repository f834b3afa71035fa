from collections.abc import Mapping, Sequence

from adapters.common.circuit_breaker import CircuitBreaker
from adapters.dramatiq_queue.broker import QueueBroker
from adapters.dramatiq_queue.routes import QUEUES, to_dramatiq
from application.messages import Message
from application.ports.event_feed import EventFeed
from application.ports.message_publisher import MessagePublisher


class DramatiqPublisher(MessagePublisher):
    """Enqueues the messages that ask for work, and tells the others to whoever listens.

    Args:
        queues: The queue of each message that asks for work, by the message's name.
    """

    def __init__(
        self, broker: QueueBroker, event_feed: EventFeed, queues: Mapping[str, str] = QUEUES
    ) -> None:
        self._broker = broker
        self._event_feed = event_feed
        self._queues = queues
        self._queue_circuit = CircuitBreaker("queue")
        self._feed_circuit = CircuitBreaker("event feed")

    def publish(self, messages: Sequence[Message]) -> None:
        """Publish messages, those that ask for work first.

        Raises:
            DependencyUnavailable: The queue is out of reach or full, or the event feed is.
        """
        facts = [message for message in messages if message.name not in self._queues]
        try:
            with self._queue_circuit.call():
                for message in messages:
                    if message.name in self._queues:
                        self._broker.enqueue(to_dramatiq(message, self._queues[message.name]))
        finally:
            if facts:
                with self._feed_circuit.call():
                    self._event_feed.publish(facts)

    def backlog(self, name: str) -> int:
        """Return how many messages of a name wait in their queue; those that nobody has to take are none."""
        if name not in self._queues:
            return 0
        with self._queue_circuit.call():
            return self._broker.waiting(self._queues[name])

    def check(self) -> None:
        """Find out whether the broker answers.

        Raises:
            DependencyUnavailable: It does not.
        """
        with self._queue_circuit.call():
            self._broker.ping()
