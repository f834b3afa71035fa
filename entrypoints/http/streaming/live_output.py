"""The live output of executions, passed from the feed's thread to its readers on the event loop."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Self

from adapters.common.bounded_buffer import BoundedBuffer
from application.ports.output_feed import OutputChunk, OutputFeed, UsageSample
from domain.values import ExecutionId
from entrypoints.http.streaming.job_notifier import Subscription
from entrypoints.http.streaming.output_events import LiveChunk, OutputEventEncoder, usage_event

_BUFFER_MAX_BYTES = 2 << 20
_KEPT_BYTES = 1 << 20
# Bytes that are taken and encoded in one step, which blocks the event loop.
_TAKEN_BYTES = 64 << 10


class LiveOutputs:
    """The live output of the executions that have readers in this process; each is followed once."""

    def __init__(self, output_feed: OutputFeed) -> None:
        self._output_feed = output_feed
        self._followed: dict[ExecutionId, _Followed] = {}

    async def join(self, execution_id: ExecutionId, reader: "Reader") -> None:
        """Add a reader to an execution, which is followed as long as it has readers."""
        followed = self._followed.get(execution_id)
        if followed is None:
            live = LiveOutput(asyncio.get_running_loop())
            follow = asyncio.to_thread(self._output_feed.follow, execution_id, live.put)
            followed = self._followed[execution_id] = _Followed(live, asyncio.create_task(follow))
        followed.live.add(reader)
        await asyncio.shield(followed.following)

    def leave(self, execution_id: ExecutionId, reader: "Reader") -> None:
        """Remove a reader. If the feed's subscription is still being made, it ends once it is complete."""
        followed = self._followed.get(execution_id)
        if followed is not None and followed.live.remove(reader):
            del self._followed[execution_id]
            followed.following.add_done_callback(_unfollow)


class LiveOutput:
    """The output of one execution, passed to all its readers, which are woken together.

    Attributes:
        kept: The latest chunks, for readers that join later.
        readers: The readers.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Without encoded events: readers that join together share them.
        self.kept: BoundedBuffer[OutputChunk] = BoundedBuffer(_KEPT_BYTES)
        self._usage: UsageSample | None = None
        self._loop = loop
        self._lock = Lock()
        self.readers: set[Reader] = set()
        self._is_waking = False

    def put(self, item: OutputChunk | UsageSample) -> None:
        """Take a chunk or a usage sample on any thread, and wake the readers."""
        live, size = _live(item)
        with self._lock:
            if isinstance(item, OutputChunk):
                self.kept.append(item, size)
            else:
                self._usage = item
            for reader in self.readers:
                reader.put(live, size)
            is_waking, self._is_waking = self._is_waking, True
        if not is_waking:
            with suppress(RuntimeError):  # the loop has ended, and the readers with it
                self._loop.call_soon_threadsafe(self._wake)

    def add(self, reader: "Reader") -> None:
        """Add a reader, and give it the kept output and the latest usage sample."""
        with self._lock:
            for item in (*self.kept, *([self._usage] if self._usage else [])):
                reader.put(*_live(item))
            self.readers.add(reader)

    def remove(self, reader: "Reader") -> bool:
        """Remove a reader; return whether it was the last one."""
        with self._lock:
            self.readers.discard(reader)
            return not self.readers

    def _wake(self) -> None:
        with self._lock:
            self._is_waking = False  # before the readers look: later output wakes them again
        for reader in tuple(self.readers):
            reader.subscription.woken.set()


def _live(item: OutputChunk | UsageSample) -> tuple[LiveChunk | bytes, int]:
    """Return the item in the form that readers take, and the size of its data in bytes."""
    return (LiveChunk(item), len(item.data)) if isinstance(item, OutputChunk) else (usage_event(item), 0)


@dataclass(eq=False)
class _Followed:
    """A followed execution: its output, and the task that subscribes to the feed."""

    live: LiveOutput
    following: asyncio.Task[Callable[[], None]]


def _unfollow(following: asyncio.Task[Callable[[], None]]) -> None:
    if not following.cancelled() and following.exception() is None:
        following.get_loop().run_in_executor(None, following.result())


class Reader:
    """Reads a job's output, from one execution at a time.

    Chunks that arrive while its buffer is full are dropped; the offsets show the gap.

    Attributes:
        items: The unread output.
    """

    def __init__(self, outputs: LiveOutputs, subscription: Subscription) -> None:
        self.subscription = subscription
        self._outputs = outputs
        self._lock = Lock()
        self.items: BoundedBuffer[LiveChunk | bytes] = BoundedBuffer(_BUFFER_MAX_BYTES)
        self._execution_id: ExecutionId | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.leave()

    @property
    def is_live(self) -> bool:
        """Whether output may still come."""
        return self._execution_id is not None

    def put(self, live: LiveChunk | bytes, size: int) -> None:
        """Take a chunk or an encoded usage sample on any thread."""
        with self._lock:
            if self.items.has_room(size):
                self.items.append(live, size)

    def news(self, encoder: OutputEventEncoder) -> Iterator[bytes]:
        """Yield the encoded new output."""
        for items in iter(self._take, []):
            if encoded := encoder.encode(items):
                yield encoded

    def forget(self) -> None:
        """Stop reading, and discard the unread output."""
        self.leave()
        self.items.clear()

    async def turn_to(self, execution_id: ExecutionId) -> None:
        """Read the output of this execution only."""
        self.forget()
        self._execution_id = execution_id
        await self._outputs.join(execution_id, self)

    def leave(self) -> None:
        """Stop reading. Unread output is kept."""
        if self._execution_id is not None:
            self._outputs.leave(self._execution_id, self)
            self._execution_id = None

    def _take(self) -> list[LiveChunk | bytes]:
        with self._lock:
            return self.items.take(_TAKEN_BYTES)
