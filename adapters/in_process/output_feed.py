"""Output feed between the threads of this process, with a journal on disk."""

import logging
from collections.abc import Callable, Sequence
from threading import Condition, RLock

from adapters.common.background import BackgroundThread
from adapters.common.bounded_buffer import BoundedBuffer
from adapters.in_process.output_journal import OutputJournal
from application.ports.output_feed import OutputChunk, OutputFeed, OutputListener, UsageSample
from domain.values import ExecutionId

logger = logging.getLogger("service_server.output_feed")

KEPT_BYTES = 1 << 20
# Output reaches the journal within this time; until then, it is lost if the process is killed.
_GATHER_S = 0.2


class _Channel:
    """The latest output of one execution, and its followers.

    Attributes:
        journaled: The number of chunks written to the journal, including ones dropped before.
        usage: The last usage of the program.
    """

    def __init__(self, kept_bytes: int) -> None:
        self.chunks: BoundedBuffer[OutputChunk] = BoundedBuffer(kept_bytes)
        self.listeners: dict[object, OutputListener] = {}
        self.journaled = 0
        self.usage: UsageSample | None = None


class InProcessOutputFeed(OutputFeed):
    """Calls followers on the thread that appends output.

    Args:
        kept_bytes: The size of each execution's latest output that is kept for later followers.
        journal: Preserves the output of all but the shortest programs if this process is killed; None for no
            journal.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES, journal: OutputJournal | None = None) -> None:
        self._journal = journal
        self._unwritten: dict[ExecutionId, _Channel] = {}
        self._thread = BackgroundThread("output-journal", self._write_journal, self._wake)
        self._kept_bytes = kept_bytes
        self._channels: dict[ExecutionId, _Channel] = {}
        # Held while followers are called, so that a follower neither misses a chunk nor gets one twice.
        # Reentrant, so that a follower may unsubscribe itself.
        self._lock = RLock()
        self._changed = Condition(self._lock)

    def start(self) -> None:
        """Remove abandoned files, and start writing the journal."""
        if self._journal is not None:
            self._journal.forget_abandoned()
            self._thread.start()

    def stop(self) -> None:
        """Stop writing the journal."""
        self._thread.stop()

    def append(self, execution_id: ExecutionId, chunk: OutputChunk) -> None:
        """Store a chunk, and pass it to the followers of its execution."""
        with self._lock:
            channel = self._channel(execution_id)
            channel.chunks.append(chunk, len(chunk.data))
            if self._journal is not None:
                if not self._unwritten:
                    self._changed.notify_all()
                self._unwritten[execution_id] = channel
            for listener in tuple(channel.listeners.values()):
                _call(listener, chunk)

    def measure(self, execution_id: ExecutionId, sample: UsageSample) -> None:
        """Store a program's latest usage, and pass it to the followers of its execution."""
        with self._lock:
            channel = self._channel(execution_id)
            channel.usage = sample
            for listener in tuple(channel.listeners.values()):
                _call(listener, sample)

    def close(self, execution_id: ExecutionId) -> None:
        """Discard the output of an execution, and its followers."""
        with self._lock:
            channel = self._channels.pop(execution_id, None)
            self._unwritten.pop(execution_id, None)
        if self._journal is not None and (channel is None or channel.journaled):
            self._journal.forget(execution_id)

    def recall(self, execution_id: ExecutionId) -> Sequence[OutputChunk]:
        """Return the stored output of an execution, from memory or from the journal."""
        with self._lock:
            channel = self._channels.get(execution_id)
            kept = () if channel is None else tuple(channel.chunks)
        return kept if kept or self._journal is None else self._journal.read(execution_id)

    def follow(self, execution_id: ExecutionId, listener: OutputListener) -> Callable[[], None]:
        """Call `listener` with stored and future output; return a function that unsubscribes it."""
        key = object()
        with self._lock:
            channel = self._channel(execution_id)
            for chunk in tuple(channel.chunks):
                _call(listener, chunk)
            if channel.usage is not None:
                _call(listener, channel.usage)
            channel.listeners[key] = listener
        return lambda: self._leave(execution_id, channel, key)

    def _channel(self, execution_id: ExecutionId) -> _Channel:
        if execution_id not in self._channels:
            self._channels[execution_id] = _Channel(self._kept_bytes)
        return self._channels[execution_id]

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _write_journal(self) -> None:
        """Write recent output after a short delay, so that programs that end within it need no file."""
        with self._changed:
            self._changed.wait_for(lambda: self._thread.is_stopping or self._unwritten)
        self._thread.pause(_GATHER_S)
        if self._thread.is_stopping:
            return
        with self._lock:
            due, self._unwritten = self._unwritten, {}
        for execution_id, channel in due.items():
            self._write(execution_id, channel)

    def _write(self, execution_id: ExecutionId, channel: _Channel) -> None:
        with self._lock:
            if self._journal is None or self._channels.get(execution_id) is not channel:
                return  # it has ended
            kept = list(channel.chunks)
            number = channel.chunks.appended - channel.journaled
            channel.journaled = channel.chunks.appended
        # If more chunks are new than are stored, the file is rewritten with all stored chunks.
        new = kept[-number:] if number <= len(kept) else []
        self._journal.append(execution_id, new, kept)
        with self._lock:
            has_ended = self._channels.get(execution_id) is not channel
        if has_ended:  # while its output was written
            self._journal.forget(execution_id)

    def _leave(self, execution_id: ExecutionId, channel: _Channel, key: object) -> None:
        with self._lock:
            channel.listeners.pop(key, None)
            is_unused = not (channel.listeners or channel.chunks)
            if is_unused and self._channels.get(execution_id) is channel:
                del self._channels[execution_id]


def _call(listener: OutputListener, item: OutputChunk | UsageSample) -> None:
    try:
        listener(item)
    except Exception:  # must not affect other followers
        logger.exception("a follower of an execution's output failed")
