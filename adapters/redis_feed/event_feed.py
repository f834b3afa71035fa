"""Event feed between processes, over Redis pub/sub."""

import json
import logging
from collections.abc import Callable, Sequence
from threading import Event
from time import monotonic
from typing import Any
from uuid import UUID

from redis.client import PubSub

from adapters.common.background import BackgroundThread
from adapters.common.circuit_breaker import CircuitBreaker
from adapters.common.redis_client import ANSWER_WITHIN_S, connect, redis_errors
from application.errors import DependencyUnavailable
from application.messages import Message
from application.ports.event_feed import EventFeed, Listener
from domain.events import JobCancelled
from domain.values import MessageId

logger = logging.getLogger("service_server.event_feed")

CHANNEL = "service_server.events"
# The events needed by processes that only run programs; they would receive three others per job.
STOPS_CHANNEL = "service_server.stops"
_STOPS = frozenset({JobCancelled.__name__})
_DEPENDENCY = "event feed"
# The maximum time that the listening thread blocks, and therefore that stopping takes.
_BLOCK_S = 0.5
QUIET_S = 5.0


class RedisEventFeed(EventFeed):
    """Carries events between processes over Redis pub/sub, with one subscribing connection per process.

    A process misses events that are published while it is not connected.

    Args:
        url: The address of Redis, with credentials if required.
        local: The feed of this process's listeners.
        channel: The channel that this process subscribes to, with all events or only events that stop
            programs.
        quiet_s: Seconds without traffic after which the connection is pinged.
    """

    def __init__(self, url: str, local: EventFeed, channel: str = CHANNEL, quiet_s: float = QUIET_S) -> None:
        # Any, because redis-py types replies as a union over all protocols and options.
        self._client: Any = connect(url)
        self._local = local
        self._channel = channel
        self._quiet_s = quiet_s
        self._subscription: PubSub | None = None
        self._heard_at = 0.0
        self._is_listening = Event()
        self._circuit = CircuitBreaker(_DEPENDENCY)
        self._thread = BackgroundThread("event-feed", self._listen)

    def start(self) -> None:
        """Start listening; return once subscribed, or after a timeout while it keeps trying."""
        self._thread.start()
        self._is_listening.wait(ANSWER_WITHIN_S)

    def stop(self) -> None:
        """Stop listening, and close the connections."""
        self._thread.stop()
        self._unsubscribe()
        self._client.close()

    def publish(self, messages: Sequence[Message]) -> None:
        """Publish messages to the listeners of all subscribed processes, including this one.

        Raises:
            DependencyUnavailable: Redis is unavailable.
        """
        with self._circuit.call(), redis_errors(_DEPENDENCY):
            pipeline = self._client.pipeline(transaction=False)
            for message in messages:
                encoded = _encode(message)
                pipeline.publish(CHANNEL, encoded)
                if message.name in _STOPS:
                    pipeline.publish(STOPS_CHANNEL, encoded)
            pipeline.execute()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every message from now on; return a function that unsubscribes it."""
        return self._local.subscribe(listener)

    def _listen(self) -> None:
        """Wait for one message, on a new connection if the last one failed."""
        try:
            with redis_errors(_DEPENDENCY):
                subscription = self._subscription or self._connect()
                self._wait_for_message(subscription)
        except Exception:
            self._is_listening.clear()
            self._unsubscribe()
            raise

    def _connect(self) -> PubSub:
        subscription: PubSub = self._client.pubsub()
        self._subscription = subscription
        subscription.subscribe(self._channel)
        self._heard_at = monotonic()
        return subscription

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def _wait_for_message(self, subscription: PubSub) -> None:
        message = subscription.get_message(timeout=_BLOCK_S)
        if message is None:
            if monotonic() <= self._heard_at + self._quiet_s:
                return
            subscription.ping()
            message = subscription.get_message(timeout=ANSWER_WITHIN_S)
            if message is None:
                raise DependencyUnavailable(_DEPENDENCY, "its connection to Redis is not responding")
        self._heard_at = monotonic()
        self._receive(message["type"], message["data"])

    def _receive(self, kind: str, data: bytes) -> None:
        if kind == "subscribe":
            self._is_listening.set()
        elif kind == "message":
            try:
                self._local.publish([_decode(data)])
            except (ValueError, KeyError, TypeError, RecursionError):
                logger.warning("a message that cannot be read is ignored")


def _encode(message: Message) -> str:
    return json.dumps({"id": str(message.id), "name": message.name, "body": dict(message.body)})


def _decode(data: bytes) -> Message:
    fields = json.loads(data)
    return Message(id=MessageId(UUID(str(fields["id"]))), name=fields["name"], body=dict(fields["body"]))
