"""Dead letters of the completions queue on Redis."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from adapters.common.redis_client import redis_errors
from adapters.dramatiq_queue.messages import COMPLETIONS, decode
from adapters.dramatiq_queue.redis_broker import RedisQueueBroker
from application.ports.dead_letter_store import DeadLetter, DeadLetterStore


class RedisDeadLetterStore(DeadLetterStore):
    """Dead-lettered completions, in the keys that Dramatiq's broker uses for them."""

    def __init__(self, broker: RedisQueueBroker) -> None:
        self._broker = broker
        # Any, because redis-py types replies as a union over all protocols and options.
        self._client: Any = broker.client
        self._ids = f"{broker.namespace}:{COMPLETIONS}.XQ"
        self._contents = f"{self._ids}.msgs"

    def count(self) -> int:
        """Return the number of dead letters."""
        with redis_errors("queue"):
            return int(self._client.zcard(self._ids))

    def latest(self, limit: int) -> Sequence[DeadLetter]:
        """Return up to `limit` dead letters, latest first."""
        with redis_errors("queue"):
            ids = self._client.zrevrange(self._ids, 0, limit - 1)
        found = [self.get(letter_id.decode(errors="replace")) for letter_id in ids]
        return [letter for letter in found if letter is not None]

    def get(self, letter_id: str) -> DeadLetter | None:
        """Return the dead letter with an id, or None."""
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
        """Requeue the message with an id as new; return whether it existed."""
        with redis_errors("queue"):
            data = self._client.hget(self._contents, letter_id)
            if data is None:
                return False
            self._broker.enqueue(replace(decode(data, COMPLETIONS), options={}))
            self._client.zrem(self._ids, letter_id)
            self._client.hdel(self._contents, letter_id)
        return True
