import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import RLock

from application.ports.output_feed import OutputChunk, OutputFeed, OutputListener
from domain.values import ExecutionId

logger = logging.getLogger("service_server.output_feed")

KEPT_BYTES = 1 << 20
# What a chunk weighs in memory beside its data, so that a flood of single bytes is bounded too.
CHUNK_OVERHEAD_BYTES = 256


@dataclass(slots=True)
class _Channel:
    """The latest output of one execution, and who follows it."""

    chunks: deque[OutputChunk] = field(default_factory=deque)
    weight: int = 0
    listeners: dict[object, OutputListener] = field(default_factory=dict)

    def add(self, chunk: OutputChunk, kept_bytes: int) -> None:
        self.chunks.append(chunk)
        self.weight += _weight(chunk)
        while self.weight > kept_bytes:
            self.weight -= _weight(self.chunks.popleft())


class InProcessOutputFeed(OutputFeed):
    """Calls followers on the thread that appends.

    Args:
        kept_bytes: How much of each execution's latest output is kept for those who follow it later.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._channels: dict[ExecutionId, _Channel] = {}
        # Held while followers are called, so that none misses a chunk or gets one twice; re-entrant, so that
        # a follower may end itself.
        self._lock = RLock()

    def start(self) -> None:
        """Do nothing; the feed between processes has something to start."""

    def stop(self) -> None:
        """Do nothing; the feed between processes has something to stop."""

    def append(self, execution_id: ExecutionId, chunk: OutputChunk) -> None:
        """Keep a chunk and pass it to the followers of its execution."""
        with self._lock:
            channel = self._channels.setdefault(execution_id, _Channel())
            channel.add(chunk, self._kept_bytes)
            for listener in tuple(channel.listeners.values()):
                _tell(listener, chunk)

    def close(self, execution_id: ExecutionId) -> None:
        """Forget what was kept of an execution, and its followers."""
        with self._lock:
            self._channels.pop(execution_id, None)

    def follow(self, execution_id: ExecutionId, listener: OutputListener) -> Callable[[], None]:
        """Call `listener` with what is kept, at once, and with what comes; return what ends that."""
        key = object()
        with self._lock:
            channel = self._channels.setdefault(execution_id, _Channel())
            for chunk in tuple(channel.chunks):
                _tell(listener, chunk)
            channel.listeners[key] = listener
        return lambda: self._leave(execution_id, channel, key)

    def _leave(self, execution_id: ExecutionId, channel: _Channel, key: object) -> None:
        with self._lock:
            channel.listeners.pop(key, None)
            is_unused = not (channel.listeners or channel.chunks)
            if is_unused and self._channels.get(execution_id) is channel:
                del self._channels[execution_id]


def _weight(chunk: OutputChunk) -> int:
    return len(chunk.data) + CHUNK_OVERHEAD_BYTES


def _tell(listener: OutputListener, chunk: OutputChunk) -> None:
    try:
        listener(chunk)
    except Exception:  # one follower's bug is not another's
        logger.exception("a follower of an execution's output failed")
