import logging
from collections import deque
from collections.abc import Iterable
from threading import Condition

import dramatiq
import redis
from dramatiq.broker import MessageProxy

from adapters.dramatiq_queue.broker import InterruptibleConsumer
from adapters.dramatiq_queue.decoding import decode
from adapters.dramatiq_queue.redis_queue import RedisQueue
from application.log_context import outage

logger = logging.getLogger("service_server.queue")

_MIN_BACKOFF_S = 0.05
_MAX_BACKOFF_S = 1.0


class RedisConsumer(InterruptibleConsumer):
    """Takes messages of one queue, as many as there is room for, and waits in Redis when there are none.

    It outlives every failure of Redis: it tries again until it is interrupted. What it cannot acknowledge
    is delivered again some day, and a handler takes that for the hint that it is.
    """

    def __init__(self, queue: RedisQueue, prefetch: int, timeout_s: float) -> None:
        self._queue = queue
        self._prefetch = prefetch
        self._timeout_s = timeout_s
        self._fetched: deque[MessageProxy] = deque()
        self._in_hand = 0
        self._failures = 0
        self._is_interrupted = False
        self._changed = Condition()

    def __next__(self) -> MessageProxy | None:
        if not self._fetched and not self._is_interrupted:
            try:
                self._fetch()
            except redis.RedisError as error:
                self._back_off(error)
        if self._is_interrupted or not self._fetched:
            return None
        with self._changed:
            self._in_hand += 1
        return self._fetched.popleft()

    def ack(self, message: MessageProxy) -> None:
        """Forget a message that was handled."""
        try:
            self._queue.acknowledge(message.options["redis_message_id"])
        except redis.RedisError as error:
            logger.warning("a message is not acknowledged: %s", type(error).__name__)
        finally:
            self._make_room()

    def nack(self, message: MessageProxy) -> None:
        """Put a message that could not be handled among the dead."""
        try:
            self._queue.bury(message.options["redis_message_id"], message.encode())
        except redis.RedisError as error:
            logger.warning("a message is not among the dead letters: %s", type(error).__name__)
        finally:
            self._make_room()

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give messages back that were not handled."""
        ids = [message.options["redis_message_id"] for message in messages]
        if not ids:
            return
        try:
            self._queue.give_back(ids)
        except redis.RedisError as error:
            logger.warning("%d messages are not given back: %s", len(ids), type(error).__name__)

    def interrupt(self) -> None:
        """Return from the wait as soon as Redis does, and take no more messages."""
        with self._changed:
            self._is_interrupted = True
            self._changed.notify_all()

    def close(self) -> None:
        """Give back what was fetched and not handed out."""
        self.requeue(self._fetched)
        self._fetched.clear()

    def _fetch(self) -> None:
        room = self._wait_for_room()
        found = self._queue.fetch(room)
        if not found and room and self._queue.wait(self._timeout_s):
            found = self._queue.fetch(room)
        if self._failures:
            logger.info("%s: Redis is back", self._queue.name)
            self._failures = 0
        for data in found:
            self._take(data)

    def _take(self, data: bytes | None) -> None:
        if data is None:
            return
        try:
            message = self._decode(data)
        except ValueError:
            logger.error("a message that cannot be read goes to the dead letters")  # noqa: TRY400 - no riddle
            self._queue.bury_unreadable(data)
        else:
            self._fetched.append(MessageProxy(message))

    def _decode(self, data: bytes) -> dramatiq.Message[None]:
        message = decode(data)
        # Dramatiq looks for the consumer of a message by the queue that the message names.
        if message.queue_name != self._queue.name or "redis_message_id" not in message.options:
            raise ValueError("a message of another queue")
        return message

    def _wait_for_room(self) -> int:
        with self._changed:
            self._changed.wait_for(self._may_go_on, self._timeout_s)
            return 0 if self._is_interrupted else max(self._prefetch - self._in_hand, 0)

    def _may_go_on(self) -> bool:
        return self._is_interrupted or self._in_hand < self._prefetch

    def _make_room(self) -> None:
        with self._changed:
            self._in_hand -= 1
            self._changed.notify_all()

    def _back_off(self, error: redis.RedisError) -> None:
        if not self._failures:
            logger.warning(
                "%s: Redis is not usable: %s",
                self._queue.name,
                type(error).__name__,
                extra=outage("queue", "Redis is not usable"),
            )
        delay_s = min(_MIN_BACKOFF_S * 2**self._failures, _MAX_BACKOFF_S)
        self._failures = min(self._failures + 1, 16)
        with self._changed:
            self._changed.wait_for(lambda: self._is_interrupted, delay_s)
