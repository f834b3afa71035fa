"""A consumer of one queue on Redis that waits with a blocking pop."""

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Semaphore
from typing import Any
from uuid import uuid4

import dramatiq
import redis
from dramatiq.broker import MessageProxy
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import q_name

from adapters.dramatiq_queue.messages import decode
from application.log_context import outage

logger = logging.getLogger("service_server.queue")

# The maximum wait in Redis, and therefore the maximum time to stop an idle consumer.
BLOCK_S = 0.5
MAX_DEAD = 1_000
# Seconds between two attempts to fetch while Redis is unavailable.
_RETRY_S = 0.5
_BATCH = 100


class BlockingConsumer(dramatiq.Consumer):
    """Consumes the messages of one queue on Redis, and waits for them with a blocking pop.

    The consumer survives every failure of Redis. Once Redis answers again, a message that was fetched without
    an answer or could not be acknowledged is delivered again; handlers accept duplicates.

    Args:
        broker: Dramatiq's broker, whose scripts move messages.
        fetcher: A broker with the same id, for fetching. The timeouts of its client allow for the wait, and
            it does not repeat commands, so that no lost answer goes unnoticed.
        prefetch: The maximum number of messages to hold.
    """

    def __init__(self, broker: RedisBroker, fetcher: RedisBroker, queue: str, prefetch: int) -> None:
        self._broker = broker
        self._fetcher = fetcher
        # Any, because redis-py types replies as a union over all protocols and options.
        self._client: Any = broker.client
        self._blocking_client: Any = fetcher.client
        self._queue = queue
        self._waiting = f"{broker.namespace}:{queue}"
        self._contents = f"{self._waiting}.msgs"
        self._in_hand = f"{broker.namespace}:__acks__.{broker.broker_id}.{queue}"
        self._dead = f"{broker.namespace}:{q_name(queue)}.XQ"
        self._slots = Semaphore(prefetch)
        self._fetched: deque[MessageProxy] = deque()
        self._in_flight: set[str] = set()  # the ids of messages that are fetched and not settled
        self._has_failed = False

    def __next__(self) -> MessageProxy | None:
        if not self._fetched and self._slots.acquire(timeout=BLOCK_S):
            room = 1
            while room < _BATCH and self._slots.acquire(blocking=False):
                room += 1
            with self._outliving("messages cannot be fetched", pause_s=_RETRY_S):
                self._recover()
                self._fill(room)
            for _ in range(room - len(self._fetched)):
                self._slots.release()
        return self._fetched.popleft() if self._fetched else None

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge a message, which removes it."""
        with self._outliving("a message was not acknowledged"), self._settling(message):
            self._broker.do_ack(self._queue, message.options["redis_message_id"])

    def nack(self, message: MessageProxy) -> None:
        """Dead-letter a message, with its handler's error."""
        message_id = message.options["redis_message_id"]
        with self._outliving(f"message {message_id} was not dead-lettered"), self._settling(message):
            self._client.hset(self._contents, message_id, message.encode())
            self._broker.do_nack(self._queue, message_id)
            surplus = max(self._client.zcard(self._dead) - MAX_DEAD, 0)
            for oldest, _ in self._client.zpopmin(self._dead, surplus):
                self._client.hdel(f"{self._dead}.msgs", oldest)
            logger.error("dead-lettered message %s", message_id)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Requeue messages that no handler has started on."""
        ids = [message.options["redis_message_id"] for message in messages]
        if ids:
            with self._outliving(f"{len(ids)} messages were not requeued"):
                try:
                    self._broker.do_requeue(self._queue, *ids)
                finally:
                    self._in_flight.difference_update(ids)

    def close(self) -> None:
        """Requeue the prefetched messages."""
        self.requeue(self._fetched)
        self._fetched.clear()

    def _recover(self) -> None:
        """Requeue this process's messages that are not in flight, if a command may have had no answer."""
        if not self._has_failed:
            return
        self._has_failed = False
        in_hand = self._client.smembers(self._in_hand)
        lost = [one for one in in_hand if one.decode(errors="replace") not in self._in_flight]
        if lost:
            self._broker.do_requeue(self._queue, *lost)

    def _fill(self, room: int) -> None:
        found = self._fetcher.do_fetch(self._queue, room)
        if not found and self._wait():
            found = self._fetcher.do_fetch(self._queue, room)
        for data in found:
            if data is not None:  # None if the id was queued twice, or Redis was flushed meanwhile
                message = decode(data, self._queue)
                if "redis_message_id" not in message.options:
                    message.options["redis_message_id"] = self._find_id(data)
                self._in_flight.add(message.options["redis_message_id"])
                self._fetched.append(MessageProxy(message))

    def _wait(self) -> bool:
        # Moves the head of the list to where it was: it remains queued until it is fetched.
        source = target = self._waiting
        return self._blocking_client.blmove(source, target, BLOCK_S, "LEFT", "LEFT") is not None

    @contextmanager
    def _settling(self, message: MessageProxy) -> Iterator[None]:
        """Free the slot of a message once Redis has settled it or has failed.

        Until then the message is in flight, so that another thread, which recovers from an earlier failure,
        does not requeue it.
        """
        try:
            yield
        finally:
            self._in_flight.discard(message.options["redis_message_id"])
            self._slots.release()

    @contextmanager
    def _outliving(self, effect: str, pause_s: float = 0.0) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            self._has_failed = True
            kind = type(error).__name__
            logger.warning("%s: %s: %s", self._queue, effect, kind, extra=outage("queue", kind))
            time.sleep(pause_s)

    def _find_id(self, data: bytes) -> str:
        """Return the id of a fetched message; an id that is not ASCII is replaced with a new one."""
        ids = self._client.smembers(self._in_hand)
        found: bytes = next((one for one in ids if self._client.hget(self._contents, one) == data), b"")
        if found.isascii():
            return found.decode()
        message_id = str(uuid4())
        with self._client.pipeline() as pipeline:
            pipeline.srem(self._in_hand, found).hdel(self._contents, found)
            pipeline.sadd(self._in_hand, message_id).hset(self._contents, message_id, data)
            pipeline.execute()
        return message_id
