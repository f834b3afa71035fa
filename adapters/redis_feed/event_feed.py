import json
import logging
from collections.abc import Callable, Sequence
from threading import Event, Thread
from time import monotonic
from typing import Any
from uuid import UUID

import redis
from redis.client import PubSub

from adapters.redis_feed.client import ANSWER_WITHIN_S, MAX_BACKOFF_S, MIN_BACKOFF_S, connect
from application.errors import DependencyUnavailable
from application.log_context import outage
from application.messages import Message
from application.ports.event_feed import EventFeed, Listener
from domain.values import MessageId

logger = logging.getLogger("service_server.event_feed")

CHANNEL = "service_server.events"
# The longest that the listening thread blocks, and so the longest that stopping takes.
_BLOCK_S = 0.5
QUIET_S = 5.0


class RedisEventFeed(EventFeed):
    """Carries events between processes by Redis's publish and subscribe, on one connection for each process.

    What happens while a process is not connected, it misses.

    Args:
        url: Of Redis, with credentials if it wants any.
        local: Tells the listeners of this process.
        quiet_s: A connection that has carried nothing for so long is asked for a sign of life.
    """

    def __init__(self, url: str, local: EventFeed, quiet_s: float = QUIET_S) -> None:
        # Redis types its replies as all that any protocol and option may give.
        self._client: Any = connect(url)
        self._local = local
        self._quiet_s = quiet_s
        self._is_listening = Event()
        self._is_stopping = Event()
        self._thread = Thread(target=self._run, name="event-feed", daemon=True)

    def start(self) -> None:
        """Begin to listen; return when it does, or when Redis takes too long: then it goes on trying."""
        self._thread.start()
        self._is_listening.wait(ANSWER_WITHIN_S)

    def stop(self) -> None:
        """End listening, and close the connections."""
        self._is_stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._client.close()

    def publish(self, messages: Sequence[Message]) -> None:
        """Tell the listeners of every process, this one's too.

        Raises:
            DependencyUnavailable: Redis is out of reach.
        """
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for message in messages:
                    pipeline.publish(CHANNEL, _encode(message))
                pipeline.execute()
        except redis.RedisError as error:
            raise DependencyUnavailable("event feed", "Redis does not answer, or not as it should") from error

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every message from now on; return what ends that."""
        return self._local.subscribe(listener)

    def _run(self) -> None:
        backoff_s = MIN_BACKOFF_S
        while not self._is_stopping.is_set():
            try:
                self._listen()
            except Exception as error:  # whatever it is: without this thread, no event is heard any more
                if self._is_listening.is_set() or backoff_s == MIN_BACKOFF_S:
                    is_unforeseen = not isinstance(error, redis.RedisError)
                    logger.warning(
                        "events are missed: %s",
                        type(error).__name__,
                        exc_info=is_unforeseen,
                        extra=outage("event feed", type(error).__name__),
                    )
                    backoff_s = MIN_BACKOFF_S
                self._is_listening.clear()
                self._is_stopping.wait(backoff_s)
                backoff_s = min(2 * backoff_s, MAX_BACKOFF_S)

    def _listen(self) -> None:
        with self._client.pubsub() as subscription:
            subscription.subscribe(CHANNEL)
            heard_at = monotonic()
            while not self._is_stopping.is_set():
                message = subscription.get_message(timeout=_BLOCK_S)
                if message is not None:
                    heard_at = monotonic()
                    self._receive(message["type"], message["data"])
                elif monotonic() > heard_at + self._quiet_s:
                    self._ask_for_life(subscription)
                    heard_at = monotonic()

    def _receive(self, kind: str, data: bytes) -> None:
        if kind == "subscribe":
            self._is_listening.set()
        elif kind == "message":
            try:
                self._local.publish([_decode(data)])
            except (ValueError, KeyError, TypeError, RecursionError):
                logger.warning("a message that cannot be read is ignored")

    def _ask_for_life(self, subscription: PubSub) -> None:
        """Make sure that a quiet connection is not a dead one.

        Raises:
            redis.RedisError: It is dead.
        """
        subscription.ping()
        message = subscription.get_message(timeout=ANSWER_WITHIN_S)
        if message is None:
            raise redis.TimeoutError("no sign of life")
        self._receive(message["type"], message["data"])


def _encode(message: Message) -> str:
    return json.dumps({"id": str(message.id), "name": message.name, "body": dict(message.body)})


def _decode(data: bytes) -> Message:
    fields = json.loads(data)
    return Message(id=MessageId(UUID(str(fields["id"]))), name=fields["name"], body=dict(fields["body"]))
