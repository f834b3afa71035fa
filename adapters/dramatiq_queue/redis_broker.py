"""Dramatiq's broker on Redis, with consumers that block instead of polling."""

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import Retry
from dramatiq.middleware import Retries

from adapters.common.redis_client import connect
from adapters.dramatiq_queue.blocking_consumer import BLOCK_S, BlockingConsumer

NAMESPACE = "service_server"
MIN_BACKOFF_MS = 1_000
# Shorter than a lease: once the database is available again, a completion is stored before its execution
# counts as orphaned.
MAX_BACKOFF_MS = 10_000
# This many in a million commands look for messages of dead processes: for an idle worker, about every ten
# seconds.
_MAINTENANCE_CHANCE = 25_000


class RedisQueueBroker(RedisBroker):
    """Dramatiq's broker on Redis, with consumers that block in Redis instead of polling.

    Keys and contents are in Dramatiq's format, so that any Dramatiq producer can enqueue messages.

    Args:
        url: The address of Redis, with credentials if required.
    """

    def __init__(self, url: str) -> None:
        retries = _Retries(
            retry_when=lambda _retries, error: isinstance(error, Retry),
            min_backoff=MIN_BACKOFF_MS,
            max_backoff=MAX_BACKOFF_MS,
        )
        super().__init__(  # type: ignore[no-untyped-call]  # Dramatiq's is not typed
            client=connect(url),
            middleware=[retries],
            namespace=NAMESPACE,
            maintenance_chance=_MAINTENANCE_CHANCE,
        )
        self._fetcher = RedisBroker(  # type: ignore[no-untyped-call]  # as above
            client=connect(url, block_s=BLOCK_S, repeats=False),
            middleware=[],
            namespace=NAMESPACE,
            maintenance_chance=_MAINTENANCE_CHANCE,
        )
        self._fetcher.broker_id = self.broker_id

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 0) -> BlockingConsumer:  # noqa: ARG002 - Dramatiq's signature
        """Return a consumer that holds up to `prefetch` messages."""
        return BlockingConsumer(self, self._fetcher, queue_name, prefetch)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
        self._fetcher.client.close()


class _Retries(Retries):
    """Dramatiq's retries, but a message that cannot be enqueued for a retry is dead-lettered, not lost."""

    def after_process_message(
        self, broker: dramatiq.Broker, message: dramatiq.MessageProxy, **outcome: object
    ) -> None:
        try:
            super().after_process_message(broker, message, **outcome)  # type: ignore[no-untyped-call]  # as above
        except redis.RedisError:
            message.fail()
            raise
