import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Condition, RLock, Thread

from adapters.in_process.output_journal import OutputJournal
from application.ports.output_feed import OutputChunk, OutputFeed, OutputListener
from domain.values import ExecutionId

logger = logging.getLogger("service_server.output_feed")

KEPT_BYTES = 1 << 20
# What a chunk weighs in memory beside its data, so that a flood of single bytes is bounded too.
CHUNK_OVERHEAD_BYTES = 256
# How long output may be lost with this process before it is in the journal.
_GATHER_S = 0.2


@dataclass(slots=True)
class _Channel:
    """The latest output of one execution, and who follows it."""

    chunks: deque[OutputChunk] = field(default_factory=deque)
    weight: int = 0
    listeners: dict[object, OutputListener] = field(default_factory=dict)
    unwritten: list[OutputChunk] = field(default_factory=list)
    unwritten_weight: int = 0
    is_in_journal: bool = False

    def add(self, chunk: OutputChunk, kept_bytes: int) -> None:
        self.chunks.append(chunk)
        self.weight += _weight(chunk)
        while self.weight > kept_bytes:
            self.weight -= _weight(self.chunks.popleft())


class InProcessOutputFeed(OutputFeed):
    """Calls followers on the thread that appends.

    Args:
        kept_bytes: How much of each execution's latest output is kept for those who follow it later.
        journal: Keeps output for the time after this process was killed, of programs that run for longer than
            a moment; None for no such thing.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES, journal: OutputJournal | None = None) -> None:
        self._journal = journal
        self._unwritten: dict[ExecutionId, _Channel] = {}
        self._is_stopping = False
        self._thread = Thread(target=self._write_journal, name="output-journal", daemon=True)
        self._kept_bytes = kept_bytes
        self._channels: dict[ExecutionId, _Channel] = {}
        # Held while followers are called, so that none misses a chunk or gets one twice; re-entrant, so that
        # a follower may end itself.
        self._lock = RLock()
        self._changed = Condition(self._lock)

    def start(self) -> None:
        """Begin to write the journal."""
        if self._journal is not None:
            self._journal.forget_abandoned()
            self._thread.start()

    def stop(self) -> None:
        """End writing the journal."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def append(self, execution_id: ExecutionId, chunk: OutputChunk) -> None:
        """Keep a chunk and pass it to the followers of its execution."""
        with self._lock:
            channel = self._channels.setdefault(execution_id, _Channel())
            channel.add(chunk, self._kept_bytes)
            if self._journal is not None:
                self._note_unwritten(execution_id, channel, chunk)
            for listener in tuple(channel.listeners.values()):
                _tell(listener, chunk)

    def close(self, execution_id: ExecutionId) -> None:
        """Forget what was kept of an execution, and its followers."""
        with self._lock:
            channel = self._channels.pop(execution_id, None)
            self._unwritten.pop(execution_id, None)
        if self._journal is not None and (channel is None or channel.is_in_journal):
            self._journal.forget(execution_id)

    def recall(self, execution_id: ExecutionId) -> Sequence[OutputChunk]:
        """Return what is kept of an execution, here or in the journal."""
        with self._lock:
            channel = self._channels.get(execution_id)
            kept = () if channel is None else tuple(channel.chunks)
        return kept if kept or self._journal is None else self._journal.read(execution_id)

    def follow(self, execution_id: ExecutionId, listener: OutputListener) -> Callable[[], None]:
        """Call `listener` with what is kept, at once, and with what comes; return what ends that."""
        key = object()
        with self._lock:
            channel = self._channels.setdefault(execution_id, _Channel())
            for chunk in tuple(channel.chunks):
                _tell(listener, chunk)
            channel.listeners[key] = listener
        return lambda: self._leave(execution_id, channel, key)

    def _note_unwritten(self, execution_id: ExecutionId, channel: _Channel, chunk: OutputChunk) -> None:
        channel.unwritten_weight += _weight(chunk)
        if channel.unwritten_weight <= self._kept_bytes:
            channel.unwritten.append(chunk)
        else:  # all that is kept is to be written then
            channel.unwritten.clear()
        if not self._unwritten:
            self._changed.notify_all()
        self._unwritten[execution_id] = channel

    def _write_journal(self) -> None:
        """Write the output of the last moment, again and again: a program that ends sooner costs no file."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_stopping or self._unwritten)
                self._changed.wait_for(lambda: self._is_stopping, _GATHER_S)
                if self._is_stopping:
                    return
                due, self._unwritten = self._unwritten, {}
            for execution_id, channel in due.items():
                self._write(execution_id, channel)

    def _write(self, execution_id: ExecutionId, channel: _Channel) -> None:
        with self._lock:
            if self._journal is None or self._channels.get(execution_id) is not channel:
                return  # it has ended
            new, kept = channel.unwritten, tuple(channel.chunks)
            channel.unwritten, channel.unwritten_weight = [], 0
            channel.is_in_journal = True
        self._journal.append(execution_id, new, kept)
        with self._lock:
            has_ended = self._channels.get(execution_id) is not channel
        if has_ended:  # meanwhile
            self._journal.forget(execution_id)

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
