from asyncio import AbstractEventLoop
from collections import deque
from contextlib import suppress
from threading import Lock

from application.ports.output_feed import OutputChunk
from entrypoints.http.streaming.job_notifier import Subscription

_MAX_BYTES = 2 << 20
# What is taken at once is encoded at once, which holds up everybody else.
_TAKEN_BYTES = 64 << 10
# What a chunk weighs in memory beside its data.
_CHUNK_BYTES = 256


class ChunkBuffer:
    """Bounded buffer of output chunks, from the feed's thread to one reader on the event loop.

    Chunks that arrive while it is full are dropped; the gap shows in the offsets.
    """

    def __init__(self, loop: AbstractEventLoop, subscription: Subscription) -> None:
        self._loop = loop
        self._wakeup = subscription
        self._lock = Lock()
        self._chunks: deque[OutputChunk] = deque()
        self._bytes = 0

    def put(self, chunk: OutputChunk) -> None:
        """Add a chunk, on any thread."""
        with self._lock:
            weight = len(chunk.data) + _CHUNK_BYTES
            if self._bytes + weight > _MAX_BYTES:
                return
            is_first = not self._chunks
            self._chunks.append(chunk)
            self._bytes += weight
        if is_first:
            with suppress(RuntimeError):  # the loop has ended, and with it the reader
                self._loop.call_soon_threadsafe(self._wakeup.woken.set)

    def take(self) -> list[OutputChunk]:
        """Return the next chunks, of a limited size together; none if it is empty."""
        taken: list[OutputChunk] = []
        size = 0
        with self._lock:
            while self._chunks and size < _TAKEN_BYTES:
                taken.append(self._chunks.popleft())
                size += len(taken[-1].data) + _CHUNK_BYTES
            self._bytes -= size
        return taken

    def clear(self) -> None:
        """Drop all chunks."""
        with self._lock:
            self._chunks.clear()
            self._bytes = 0
