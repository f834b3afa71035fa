"""A Dramatiq broker on Redis whose consumers Redis wakes, where Dramatiq's own sleep and look again.

Keys and contents are those of Dramatiq's RedisBroker, so that any Dramatiq producer can enqueue.
"""

import threading
from collections.abc import Sequence
from time import monotonic
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from adapters.common.redis_client import connect, redis_errors
from adapters.dramatiq_queue.broker import (
    MAX_DEAD,
    MAX_WAITING,
    DeadMessage,
    QueueBroker,
    is_new,
    retries,
)
from adapters.dramatiq_queue.redis_consumer import RedisConsumer
from adapters.dramatiq_queue.redis_queue import RedisQueue
from application.errors import DependencyUnavailable

NAMESPACE = "service_server"
# The messages of a process that has not been heard of for so long are given to others.
HEARTBEAT_TIMEOUT_MS = 60_000
_MAINTENANCE_EVERY_S = 10.0
# The longest that a consumer blocks in Redis, and so the longest that stopping an idle one takes.
_BLOCK_S = 0.5
_HEALTH_KEPT_MS = 10_000
# How many messages are enqueued before the length of the queue is looked at again.
_RESERVE = 100
# Redis's Lua can unpack some 8,000 values at once; this is more than is ever fetched together.
_LUA_UNPACK = 1_000


class RedisQueueBroker(RedisBroker, QueueBroker):
    """Keeps messages in Redis, whose loss loses nothing but time.

    Args:
        url: Of Redis, with credentials if it wants any.
        max_waiting: How many messages may wait in a queue; the next one is refused, so its sender keeps it.
        max_dead: How many dead messages each queue keeps, the latest ones.
    """

    def __init__(
        self,
        url: str,
        max_waiting: int = MAX_WAITING,
        max_dead: int = MAX_DEAD,
    ) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # Dramatiq's is not typed
            client=connect(url),
            middleware=[retries()],
            namespace=NAMESPACE,
            heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
        )
        self._blocking_client = connect(url, block_s=_BLOCK_S)
        self._max_waiting = max_waiting
        self._max_dead = max_dead
        self._reserved: dict[str, int] = {}
        self._maintenance = threading.local()

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:
        """Add a message to its queue, to be consumed in `delay` milliseconds or at once.

        Raises:
            DependencyUnavailable: Redis is out of reach, or the queue is full.
        """
        with redis_errors("queue"):
            if is_new(message):
                self._reserve(message.queue_name)
            return super().enqueue(message, delay=delay)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1_000) -> RedisConsumer:
        """Return a consumer that holds up to `prefetch` messages and waits `timeout` milliseconds for one."""
        return RedisConsumer(self._queue(queue_name), prefetch, min(timeout / 1_000, _BLOCK_S))

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
        self._blocking_client.close()

    def ping(self) -> None:
        """Find out whether Redis takes writes; a full one and a replica answer all the same."""
        with redis_errors("queue"):
            self.client.set(f"{self.namespace}:health", 1, px=_HEALTH_KEPT_MS)

    def waiting(self, queue: str) -> int:
        """Return how many messages wait in a queue."""
        with redis_errors("queue"):
            return len(self._queue(queue))

    def dead(self, queue: str, limit: int) -> Sequence[DeadMessage]:
        """Return the messages that died on a queue, the latest first."""
        with redis_errors("queue"):
            return self._queue(queue).dead(limit)

    def find_dead(self, queue: str, dead_id: str) -> DeadMessage | None:
        """Return a message that died on a queue, or None if it is not among the dead."""
        with redis_errors("queue"):
            return self._queue(queue).find_dead(dead_id)

    def revive(self, queue: str, dead_id: str) -> bool:
        """Put a dead message back on its queue as if it were new; return whether it was among the dead."""
        with redis_errors("queue"):
            return self._queue(queue).revive(dead_id)

    def _reserve(self, queue: str) -> None:
        if self._reserved.get(queue, 0) <= 0:
            free = self._max_waiting - len(self._queue(queue))
            if free <= 0:
                raise DependencyUnavailable("queue", f"{self._max_waiting} messages wait in it already")
            self._reserved[queue] = min(free, _RESERVE)
        self._reserved[queue] -= 1

    def _queue(self, name: str) -> RedisQueue:
        return RedisQueue(self, self._blocking_client, name, self._max_dead)

    def _should_do_maintenance(self, command: str) -> int:
        """Whether to look for messages of processes that died: at times for each queue, and not by chance.

        A queue is known by the thread that consumes it.
        """
        if command != "fetch" or monotonic() < getattr(self._maintenance, "next_at", 0.0):
            return 0
        self._maintenance.next_at = monotonic() + _MAINTENANCE_EVERY_S
        return 1

    def _max_unpack_size(self) -> int:
        return _LUA_UNPACK
