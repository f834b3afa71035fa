"""A Dramatiq broker inside this process.

Dramatiq's own StubBroker is for tests: its queues and dead letters grow without bound, and it keeps every
failed message's exception with all frames that this refers to.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Condition, Lock, RLock
from typing import Any

import dramatiq
from dramatiq.broker import MessageProxy
from dramatiq.common import current_millis, dq_name, q_name

from adapters.dramatiq_queue.broker import (
    MAX_DEAD,
    MAX_WAITING,
    DeadMessage,
    InterruptibleConsumer,
    QueueBroker,
    is_new,
    retries,
)
from application.errors import DependencyUnavailable


@dataclass(slots=True)
class _Queue:
    waiting: deque[bytes] = field(default_factory=deque)
    changed: Condition = field(default_factory=Condition)


class EmbeddedBroker(QueueBroker):
    """Keeps a bounded number of messages in memory, and wakes its consumers the moment that one comes.

    Args:
        max_waiting: How many messages a queue holds; the next one is refused, so its sender keeps it.
        max_dead: How many dead messages each queue keeps, the latest ones.
    """

    def __init__(self, max_waiting: int = MAX_WAITING, max_dead: int = MAX_DEAD) -> None:
        super().__init__(middleware=[retries()])
        self._max_waiting = max_waiting
        self._graves = _Graves(max_dead)
        self._declaring = RLock()

    def declare_queue(self, queue_name: str) -> None:
        """Make a queue, and one for its delayed messages; those that exist already stay as they are."""
        with self._declaring:
            if queue_name not in self.queues:
                self._declare(queue_name, dq_name(queue_name))

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:
        """Add a message to its queue, to be consumed in `delay` milliseconds or at once.

        Raises:
            DependencyUnavailable: The queue is full.
        """
        self.declare_queue(q_name(message.queue_name))
        if delay is not None:
            due = {"eta": current_millis() + delay}
            message = message.copy(queue_name=dq_name(message.queue_name), options=due)
        self.emit_before("enqueue", message, delay)
        self._put(self.queues[message.queue_name], message)
        self.emit_after("enqueue", message, delay)
        return message

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1_000) -> "_EmbeddedConsumer":
        """Return a consumer that holds up to `prefetch` messages and waits `timeout` milliseconds for one."""
        return _EmbeddedConsumer(self.queues[queue_name], self._graves, prefetch, timeout / 1_000)

    def ping(self) -> None:
        """Do nothing: the queue is always within reach."""

    def waiting(self, queue: str) -> int:
        """Return how many messages wait in a queue."""
        found = self.queues.get(queue)
        return 0 if found is None else len(found.waiting)

    def dead(self, queue: str, limit: int) -> Sequence[DeadMessage]:
        """Return the messages that died on a queue, the latest first."""
        return self._graves.latest(queue, limit)

    def find_dead(self, queue: str, dead_id: str) -> DeadMessage | None:
        """Return a message that died on a queue, or None if it is not among the dead."""
        return self._graves.find(queue, dead_id)

    def revive(self, queue: str, dead_id: str) -> bool:
        """Put a dead message back on its queue as if it were new; return whether it was among the dead."""
        dead = self._graves.find(queue, dead_id)
        if dead is None:
            return False
        self.enqueue(replace(dead.message, queue_name=queue, options={}))
        self._graves.remove(queue, dead_id)
        return True

    def _declare(self, queue_name: str, delayed_name: str) -> None:
        self.emit_before("declare_queue", queue_name)
        self.queues |= {queue_name: _Queue(), delayed_name: _Queue()}
        self.delay_queues.add(delayed_name)
        self.emit_after("declare_queue", queue_name)
        self.emit_after("declare_delay_queue", delayed_name)

    def _put(self, queue: _Queue, message: dramatiq.Message[Any]) -> None:
        with queue.changed:
            if len(queue.waiting) >= self._max_waiting and is_new(message):
                raise DependencyUnavailable("queue", f"{self._max_waiting} messages wait in it already")
            queue.waiting.append(message.encode())
            queue.changed.notify_all()


class _EmbeddedConsumer(InterruptibleConsumer):
    def __init__(self, queue: _Queue, graves: "_Graves", prefetch: int, timeout_s: float) -> None:
        self._queue = queue
        self._graves = graves
        self._room = prefetch
        self._timeout_s = timeout_s
        self._is_interrupted = False

    def __next__(self) -> MessageProxy | None:
        with self._queue.changed:
            self._queue.changed.wait_for(self._may_return, self._timeout_s)
            if not (self._queue.waiting and self._room):
                return None
            self._room -= 1
            data = self._queue.waiting.popleft()
        return MessageProxy(dramatiq.Message.decode(data))

    def ack(self, message: MessageProxy) -> None:  # noqa: ARG002 - a Consumer's signature
        self._make_room()

    def nack(self, message: MessageProxy) -> None:
        self._graves.bury(message)
        self._make_room()

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        encoded = [message.encode() for message in messages]
        with self._queue.changed:
            self._queue.waiting.extendleft(reversed(encoded))
            self._queue.changed.notify_all()

    def interrupt(self) -> None:
        with self._queue.changed:
            self._is_interrupted = True
            self._queue.changed.notify_all()

    def _may_return(self) -> bool:
        return self._is_interrupted or bool(self._queue.waiting and self._room)

    def _make_room(self) -> None:
        with self._queue.changed:
            self._room += 1
            self._queue.changed.notify_all()


class _Graves:
    """The dead messages of all queues."""

    def __init__(self, max_dead: int) -> None:
        self._max_dead = max_dead
        self._by_queue: dict[str, dict[str, DeadMessage]] = {}
        self._lock = Lock()

    def bury(self, message: MessageProxy) -> None:
        dead = DeadMessage(message.message_id, datetime.now(UTC), dramatiq.Message.decode(message.encode()))
        with self._lock:
            graves = self._by_queue.setdefault(q_name(message.queue_name), {})
            graves[dead.id] = dead
            if len(graves) > self._max_dead:
                del graves[next(iter(graves))]

    def latest(self, queue: str, limit: int) -> Sequence[DeadMessage]:
        with self._lock:
            return list(reversed(self._by_queue.get(queue, {}).values()))[:limit]

    def find(self, queue: str, dead_id: str) -> DeadMessage | None:
        with self._lock:
            return self._by_queue.get(queue, {}).get(dead_id)

    def remove(self, queue: str, dead_id: str) -> None:
        with self._lock:
            self._by_queue[queue].pop(dead_id, None)
