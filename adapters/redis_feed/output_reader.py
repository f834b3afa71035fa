"""The reading side of the output feed: one thread for all streams followed in this process."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Condition
from time import monotonic
from typing import Any
from uuid import uuid4

import redis

from adapters.common.background import BackgroundThread
from adapters.common.redis_client import connect, redis_errors
from adapters.redis_feed.output_stream import DEPENDENCY, Position, stream_key
from application.ports.output_feed import OutputChunk, OutputFeed, OutputListener
from domain.values import ExecutionId

logger = logging.getLogger("service_server.output_feed")

# The maximum time that the reading thread blocks, and therefore that stopping takes.
_BLOCK_S = 0.5
_ENTRIES_AT_ONCE = 64
_START = "0"
_WAKE_UP_S = 60
# Seconds for which an unreadable stream is skipped.
_AVOIDED_S = 1.0


@dataclass(slots=True, eq=False)
class _Cursor:
    """The read position in one execution's stream, shared by its followers in this process."""

    execution_id: ExecutionId
    followers: set[object] = field(default_factory=set)
    last_id: bytes | str = _START
    position: Position = field(default_factory=Position)
    avoided_until: float = 0.0

    def avoid(self) -> None:
        """Skip the stream for a while."""
        if not self.avoided_until:
            logger.warning("the live output of execution %s cannot be read", self.execution_id)
        self.avoided_until = monotonic() + _AVOIDED_S


class OutputReader:
    """Reads all streams followed in this process, on one thread and one connection.

    Args:
        url: The address of Redis, with credentials if required.
        local: The feed of this process's followers.
        send: Queues Redis commands; adding to the wake-up stream ends the thread's wait.
    """

    def __init__(self, url: str, local: OutputFeed, send: Callable[..., None]) -> None:
        # Any, because redis-py types replies as a union over all protocols and options.
        self._client: Any = connect(url, block_s=_BLOCK_S)
        self._local = local
        self._send = send
        self._cursors: dict[bytes, _Cursor] = {}
        self._recreate_wake_up_stream()
        # Held while followers are called, so that a follower that has left is not called again.
        self._changed = Condition()
        self._thread = BackgroundThread("output-reader", self._read, self._wake)

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading."""
        self._thread.stop()
        self._client.close()

    def follow(self, execution_id: ExecutionId, listener: OutputListener) -> Callable[[], None]:
        """Call `listener` with stored and future output; return a function that unsubscribes it."""
        key = stream_key(execution_id).encode()
        follower = object()
        with self._changed:
            cursor = self._cursors.setdefault(key, _Cursor(execution_id))
            cursor.followers.add(follower)
            end = self._local.follow(execution_id, listener)
        self._wake()
        return lambda: self._leave(key, cursor, follower, end)

    def recall(self, execution_id: ExecutionId) -> Sequence[OutputChunk]:
        """Return the content of an execution's stream; empty if Redis does not answer."""
        position = Position()
        try:
            entries = self._client.xrange(stream_key(execution_id))
            items = [position.read(fields) for _entry_id, fields in entries]
        except (redis.RedisError, KeyError, ValueError, TypeError) as error:
            logger.warning(
                "the output of execution %s cannot be read: %s", execution_id, type(error).__name__
            )
            return ()
        return [item for item in items if isinstance(item, OutputChunk)]

    def _recreate_wake_up_stream(self) -> None:
        self._wake_up_key = f"service_server.output.wake_up.{uuid4()}".encode()
        self._wake_up_id: bytes | str = _START

    def _wake(self) -> None:
        """End the thread's wait for followers or for Redis."""
        with self._changed:
            self._changed.notify_all()
        key = self._wake_up_key
        self._send(("XADD", key, "MAXLEN", 1, "*", "wake", 1), ("EXPIRE", key, _WAKE_UP_S))

    def _leave(self, key: bytes, cursor: _Cursor, follower: object, end: Callable[[], None]) -> None:
        with self._changed:
            end()
            cursor.followers.discard(follower)
            if not cursor.followers and self._cursors.get(key) is cursor:
                del self._cursors[key]
                self._local.close(cursor.execution_id)

    def _read(self) -> None:
        """Wait for followers, then read the streams that they follow."""
        with self._changed:
            self._changed.wait_for(lambda: self._thread.is_stopping or self._cursors)
            cursors = dict(self._cursors)
        if self._thread.is_stopping:
            return
        now = monotonic()
        last_ids = {key: cursor.last_id for key, cursor in cursors.items() if cursor.avoided_until <= now}
        last_ids[self._wake_up_key] = self._wake_up_id
        with redis_errors(DEPENDENCY):
            try:
                replies = self._client.xread(last_ids, count=_ENTRIES_AT_ONCE, block=int(_BLOCK_S * 1_000))
            except redis.ResponseError:
                replies = list(self._read_singly(last_ids, cursors))
        for key, entries in replies:
            for entry_id, fields in entries:
                if key == self._wake_up_key:
                    self._wake_up_id = entry_id
                else:
                    self._pass_on(key, cursors[key], entry_id, fields)

    def _read_singly(
        self, last_ids: Mapping[bytes, bytes | str], cursors: Mapping[bytes, _Cursor]
    ) -> Iterator[tuple[bytes, Sequence[tuple[bytes, Mapping[bytes, bytes]]]]]:
        """Read each stream separately, and skip keys that hold another type."""
        for key, last_id in last_ids.items():
            try:
                yield from self._client.xread({key: last_id}, count=_ENTRIES_AT_ONCE)
            except redis.ResponseError:
                if key in cursors:
                    cursors[key].avoid()
                else:
                    self._recreate_wake_up_stream()

    def _pass_on(self, key: bytes, cursor: _Cursor, entry_id: bytes, fields: Mapping[bytes, bytes]) -> None:
        with self._changed:
            cursor.last_id = entry_id
            if self._cursors.get(key) is not cursor:
                return
            try:
                item = cursor.position.read(fields)
            except (KeyError, ValueError, TypeError):
                logger.warning("output that cannot be read is ignored")
                return
            if isinstance(item, OutputChunk):
                self._local.append(cursor.execution_id, item)
            elif item is not None:
                self._local.measure(cursor.execution_id, item)
