"""Output chunks on their way from the feed's thread to a stream."""

from asyncio import AbstractEventLoop
from contextlib import suppress
from threading import Lock

from adapters.common.bounded_buffer import BoundedBuffer
from application.ports.output_feed import OutputChunk
from entrypoints.http.streaming.job_notifier import Subscription

_MAX_BYTES = 2 << 20
# What is taken at once is encoded at once, which holds up everybody else.
_TAKEN_BYTES = 64 << 10


class ChunkBuffer:
    """Bounded buffer of output chunks, from the feed's thread to one reader on the event loop.

    Chunks that arrive while it is full are dropped; the gap shows in the offsets.
    """

    def __init__(self, loop: AbstractEventLoop, subscription: Subscription) -> None:
        self._loop = loop
        self._subscription = subscription
        self._lock = Lock()
        self._chunks: BoundedBuffer[OutputChunk] = BoundedBuffer(_MAX_BYTES)

    @property
    def weight(self) -> int:
        """The memory that its chunks take, in bytes, roughly."""
        return self._chunks.weight

    def put(self, chunk: OutputChunk) -> None:
        """Take a chunk, on any thread."""
        with self._lock:
            if not self._chunks.has_room(len(chunk.data)):
                return
            is_first = not self._chunks
            self._chunks.append(chunk, len(chunk.data))
        if is_first:
            with suppress(RuntimeError):  # the loop has ended, and with it the reader
                self._loop.call_soon_threadsafe(self._subscription.woken.set)

    def take(self) -> list[OutputChunk]:
        """Return the next chunks: a small number at once, and none if there are no more."""
        with self._lock:
            return self._chunks.take(_TAKEN_BYTES)

    def clear(self) -> None:
        """Remove all chunks."""
        with self._lock:
            self._chunks.clear()
