"""The dead letters of the completions queue on Redis."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from adapters.common.redis_client import redis_errors
from adapters.dramatiq_queue.messages import COMPLETIONS, decode
from adapters.dramatiq_queue.redis_broker import RedisQueueBroker
from application.ports.dead_letter_store import DeadLetter, DeadLetterStore


class RedisDeadLetterStore(DeadLetterStore):
    """Dead-lettered completions, in the keys that Dramatiq's broker keeps them in."""

    def __init__(self, broker: RedisQueueBroker) -> None:
        self._broker = broker
        # Redis types its replies as all that any protocol and option may give.
        self._client: Any = broker.client
        self._ids = f"{broker.namespace}:{COMPLETIONS}.XQ"
        self._contents = f"{self._ids}.msgs"

    def count(self) -> int:
        """Return how many dead letters there are."""
        with redis_errors("queue"):
            return int(self._client.zcard(self._ids))

    def latest(self, limit: int) -> Sequence[DeadLetter]:
        """Return dead letters, the latest first."""
        with redis_errors("queue"):
            ids = self._client.zrevrange(self._ids, 0, limit - 1)
        found = [self.get(letter_id.decode(errors="replace")) for letter_id in ids]
        return [letter for letter in found if letter is not None]

    def get(self, letter_id: str) -> DeadLetter | None:
        """Return a dead letter, or None if there is none of that id."""
        with redis_errors("queue"):
            died_at_ms = self._client.zscore(self._ids, letter_id)
            data = self._client.hget(self._contents, letter_id)
        if died_at_ms is None or data is None:
            return None
        message = decode(data, COMPLETIONS)
        body = message.kwargs.get("body", message.kwargs)
        return DeadLetter(
            id=letter_id,
            queue=COMPLETIONS,
            died_at=datetime.fromtimestamp(died_at_ms / 1_000, UTC),
            name=str(message.kwargs.get("name", "")),
            body=body if isinstance(body, dict) else {"unreadable": body},
            error=str(message.options.get("traceback", "")),
        )

    def requeue(self, letter_id: str) -> bool:
        """Put a message back on its queue as new; return whether there was one of that id."""
        with redis_errors("queue"):
            data = self._client.hget(self._contents, letter_id)
            if data is None:
                return False
            self._broker.enqueue(replace(decode(data, COMPLETIONS), options={}))
            self._client.zrem(self._ids, letter_id)
            self._client.hdel(self._contents, letter_id)
        return True
