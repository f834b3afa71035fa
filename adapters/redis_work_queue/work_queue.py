"""Work queue between processes, as a list in Redis."""

from typing import Any

from adapters.common.circuit_breaker import CircuitBreaker
from adapters.common.redis_client import connect, redis_errors
from application.errors import DependencyUnavailable
from application.ports.work_queue import MAX_WAITING, WorkQueue

KEY = "service_server:wake-ups"
# The maximum wait in Redis, and therefore the maximum time to stop an idle worker.
WAIT_S = 0.25
_HEALTH_KEY = "service_server:health"
_HEALTH_KEPT_MS = 10_000


class RedisWorkQueue(WorkQueue):
    """Wake-ups in Redis. Losing one only delays a job.

    Args:
        url: The address of Redis, with credentials if required.
        max_waiting: The queue length at which further wake-ups are refused.
    """

    takes_by_turns = True

    def __init__(self, url: str, max_waiting: int = MAX_WAITING) -> None:
        # Any, because redis-py types replies as a union over all protocols and options.
        self._client: Any = connect(url)
        self._waiting_client: Any = connect(url, block_s=WAIT_S)
        self._max_waiting = max_waiting
        self._circuit = CircuitBreaker("queue")

    def wake(self, times: int) -> None:
        """Enqueue wake-ups.

        Raises:
            DependencyUnavailable: Redis is unavailable, or the queue is full.
        """
        if not times:
            return
        with self._circuit.call(), redis_errors("queue"):
            length = self._client.rpush(KEY, *[1] * times)
            is_full = length - times >= self._max_waiting
            if is_full:
                self._client.rpop(KEY, times)
        if is_full:  # raised here, because Redis has answered: its circuit stays closed
            raise DependencyUnavailable("queue", f"{self._max_waiting} wake-ups are already queued")

    def take(self) -> bool:
        """Wait for a wake-up and take it; return whether there was one before the wait ended.

        Raises:
            DependencyUnavailable: Redis is unavailable.
        """
        with redis_errors("queue"):
            return self._waiting_client.blpop(KEY, timeout=WAIT_S) is not None

    def interrupt(self) -> None:
        """Do nothing: each wait ends soon by itself."""

    def backlog(self) -> int:
        """Return the number of wake-ups that no worker has taken."""
        with self._circuit.call(), redis_errors("queue"):
            return int(self._client.llen(KEY))

    def check(self) -> None:
        """Check that Redis accepts writes: a full server and a replica would still answer a ping."""
        with self._circuit.call(), redis_errors("queue"):
            self._client.set(_HEALTH_KEY, 1, px=_HEALTH_KEPT_MS)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._waiting_client.close()
