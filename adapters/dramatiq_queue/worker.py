from collections.abc import Mapping
from queue import Empty, PriorityQueue
from typing import Any

import dramatiq

from adapters.dramatiq_queue.broker import InterruptibleConsumer, QueueBroker
from adapters.dramatiq_queue.routes import Handler, declare_actors

# How long an idle thread waits before it looks around. Nothing waits for that: messages and `stop` wake it.
_IDLE_MS = 1_000


class QueueWorker:
    """Consumes the queues of a broker on threads of its own.

    A worker takes no more messages than it has threads: one that is taken and waits behind a long
    execution would keep other workers from it. Start a worker once.

    Args:
        handlers: What handles a message, by the message's name. Called on several threads at once. A
            message whose handler raises DependencyUnavailable is tried again until it does not, a hint is
            dropped; any other exception sends it to the dead letters.
    """

    def __init__(self, broker: QueueBroker, handlers: Mapping[str, Handler], threads: int) -> None:
        declare_actors(broker, handlers)
        self._hand_over = _HandOver()
        self._worker = dramatiq.Worker(broker, worker_timeout=_IDLE_MS, worker_threads=threads)
        self._worker.queue_prefetch = threads
        self._worker.work_queue = self._hand_over

    def start(self) -> None:
        """Begin to consume."""
        self._worker.start()

    def stop(self, timeout_s: float) -> bool:
        """Take no more messages, and wait for those in hand; return whether all of them were done in time.

        What was taken and not begun goes back to the queue.
        """
        for thread in self._worker.consumers.values():
            thread.stop()
            if isinstance(thread.consumer, InterruptibleConsumer):
                thread.consumer.interrupt()
        self._hand_over.close()
        self._worker.stop(timeout=int(timeout_s * 1_000))
        return not any(thread.is_alive() for thread in self._worker.workers)


class _HandOver(PriorityQueue[Any]):
    """Hands messages from the consumers to the threads; closing it lets the idle threads go at once."""

    def __init__(self) -> None:
        super().__init__()
        self._is_closed = False

    # The signature is that of queue.Queue.
    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: ANN401, FBT001, FBT002
        with self.not_empty:
            if block:
                self.not_empty.wait_for(lambda: self._is_closed or self._qsize(), timeout)
            if not self._qsize() or (block and self._is_closed):
                raise Empty
            return self._get()

    def close(self) -> None:
        with self.not_empty:
            self._is_closed = True
            self.not_empty.notify_all()
