"""The work queue between processes, on Redis."""

from adapters.common.circuit_breaker import CircuitBreaker
from adapters.common.redis_client import redis_errors
from adapters.dramatiq_queue.messages import EXECUTIONS, MAX_WAITING, wake_up
from adapters.dramatiq_queue.redis_broker import RedisQueueBroker
from application.errors import DependencyUnavailable
from application.ports.work_queue import WorkQueue

_HEALTH_KEPT_MS = 10_000


class RedisWorkQueue(WorkQueue):
    """Wake-ups on Redis, whose loss loses nothing but time.

    Args:
        max_waiting: The length from which wake-ups are refused. Their events stay in the outbox.
    """

    def __init__(self, broker: RedisQueueBroker, max_waiting: int = MAX_WAITING) -> None:
        self.broker = broker
        self._max_waiting = max_waiting
        self._key = f"{broker.namespace}:{EXECUTIONS}"
        self._circuit = CircuitBreaker("queue")

    def wake(self, times: int) -> None:
        """Enqueue wake-ups.

        Raises:
            DependencyUnavailable: Redis is out of reach, or the queue is full.
        """
        with self._circuit.call(), redis_errors("queue"):
            if self.broker.client.llen(self._key) >= self._max_waiting:
                raise DependencyUnavailable("queue", f"{self._max_waiting} wake-ups wait in it already")
            for _ in range(times):
                self.broker.enqueue(wake_up())

    def backlog(self) -> int:
        """Count the wake-ups that no worker has taken."""
        with self._circuit.call(), redis_errors("queue"):
            return int(self.broker.client.llen(self._key))

    def check(self) -> None:
        """Verify that Redis takes writes; a full one and a replica answer all the same."""
        with self._circuit.call(), redis_errors("queue"):
            self.broker.client.set(f"{self.broker.namespace}:health", 1, px=_HEALTH_KEPT_MS)
