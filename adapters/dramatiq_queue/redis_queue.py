from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

from adapters.dramatiq_queue.broker import DeadMessage
from adapters.dramatiq_queue.decoding import decode

# Moves a message from the dead back to its queue, if it still is among the dead.
_REVIVE = """
if redis.call('zrem', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('hdel', KEYS[2], ARGV[1])
redis.call('hset', KEYS[3], ARGV[1], ARGV[2])
redis.call('rpush', KEYS[4], ARGV[1])
return 1
"""


class RedisQueue:
    """One queue of a Dramatiq broker in Redis, in Dramatiq's own keys.

    The ids of waiting messages are a list and those of dead ones a sorted set, with a hash of contents
    beside each. What a process has in hand is a set of ids. Every method raises redis.RedisError.

    Args:
        broker: Whose scripts move messages.
        blocking_client: For the wait, which the timeouts of the broker's own client would cut short.
        max_dead: How many dead messages are kept, the latest ones.
    """

    def __init__(self, broker: RedisBroker, blocking_client: redis.Redis, name: str, max_dead: int) -> None:
        self.name = name
        self._max_dead = max_dead
        self._broker = broker
        # Redis types its replies as all that any protocol and option may give.
        self._client: Any = broker.client
        self._blocking_client: Any = blocking_client
        self._ids = f"{broker.namespace}:{name}"
        self._contents = f"{self._ids}.msgs"
        self._dead_ids = f"{self._ids}.XQ"
        self._dead_contents = f"{self._ids}.XQ.msgs"
        self._in_hand = f"{broker.namespace}:__acks__.{broker.broker_id}.{name}"

    def __len__(self) -> int:
        return int(self._client.llen(self._ids))

    def wait(self, timeout_s: float) -> bool:
        """Return at once when a message waits, or False when none has come in time.

        The message stays where it is: the head of the list is moved onto its own place. Whoever else waits
        is woken too; all of them try to fetch it, and one will.
        """
        return self._blocking_client.blmove(self._ids, self._ids, timeout_s, "LEFT", "LEFT") is not None

    def fetch(self, room: int) -> Sequence[bytes | None]:
        """Take up to `room` messages in hand; fetching none still tells others that this process lives.

        None stands for an id without a message: it was queued twice, or Redis was emptied in between.
        """
        found: Sequence[bytes | None] = self._broker.do_fetch(self.name, room)
        return found

    def acknowledge(self, message_id: str) -> None:
        """Forget a message in hand."""
        self._broker.do_ack(self.name, message_id)

    def give_back(self, message_ids: Sequence[str]) -> None:
        """Let messages in hand wait again."""
        self._broker.do_requeue(self.name, *message_ids)

    def bury(self, message_id: str, data: bytes) -> None:
        """Put a message in hand among the dead, in the form that it has now."""
        self._client.hset(self._contents, message_id, data)
        self._broker.do_nack(self.name, message_id)
        surplus = self._client.zcard(self._dead_ids) - self._max_dead
        if surplus > 0:
            oldest = [dead_id for dead_id, _ in self._client.zpopmin(self._dead_ids, surplus)]
            self._client.hdel(self._dead_contents, *oldest)

    def bury_unreadable(self, data: bytes) -> None:
        """Put a message in hand among the dead that tells no id, because it cannot be read."""
        for message_id in self._client.smembers(self._in_hand):
            if self._client.hget(self._contents, message_id) == data:
                self.bury(message_id.decode(), data)

    def dead(self, limit: int) -> Sequence[DeadMessage]:
        """Return the messages that died, the latest first."""
        ids = self._client.zrevrange(self._dead_ids, 0, limit - 1)
        found = [self.find_dead(dead_id.decode()) for dead_id in ids]
        return [dead for dead in found if dead is not None]

    def find_dead(self, dead_id: str) -> DeadMessage | None:
        """Return a message that died, or None if it is not among the dead."""
        died_at_ms = self._client.zscore(self._dead_ids, dead_id)
        data = self._client.hget(self._dead_contents, dead_id)
        if died_at_ms is None or data is None:
            return None
        return DeadMessage(dead_id, datetime.fromtimestamp(died_at_ms / 1_000, UTC), self._read(data))

    def revive(self, dead_id: str) -> bool:
        """Put a dead message back as if it were new; return whether it was among the dead."""
        dead = self.find_dead(dead_id)
        if dead is None:
            return False
        fresh = replace(dead.message, queue_name=self.name, options={"redis_message_id": dead_id})
        keys = [self._dead_ids, self._dead_contents, self._contents, self._ids]
        return bool(self._client.eval(_REVIVE, len(keys), *keys, dead_id, fresh.encode()))

    def _read(self, data: bytes) -> dramatiq.Message[None]:
        try:
            return decode(data)
        except ValueError:
            shown = {"name": "", "body": {"unreadable": data.decode("utf-8", "replace")}}
            return dramatiq.Message(self.name, self.name, args=(), kwargs=shown, options={})
