"""The events of a job's output stream, and the position in the stream."""

import base64
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from msgspec import UNSET, Struct, UnsetType

from application.ports.output_feed import OutputChunk, Stream, UsageSample
from domain.execution import Execution, ExecutionResult, Output
from domain.values import ExecutionId
from entrypoints.http.streaming.server_sent_events import event

_STREAMS = tuple(Stream)
_REPLACED = "\N{REPLACEMENT CHARACTER}"


class ExecutionEvent(Struct, kw_only=True):
    """The output of an execution begins; output of an earlier execution is void."""

    execution_id: str
    number: int


class OutputEvent(Struct, kw_only=True, omit_defaults=True):
    """Bytes of a stream: as text if they are valid UTF-8, otherwise as base64.

    Attributes:
        offset: The position of the first byte in its stream; bytes in a gap before it were lost.
        at: The time at which the service received the bytes, if known.
        exact: False if the text replaces bytes or leaves some out; the log has all of them.
    """

    stream: Stream
    offset: int
    text: str | UnsetType = UNSET
    base64: str | UnsetType = UNSET
    at: datetime | UnsetType = UNSET
    exact: bool = True


class UsageEvent(Struct, kw_only=True):
    """A program's usage while it runs; null for figures that its engine does not know."""

    execution_time_ms: int
    cpu_time_ms: int
    memory_mb: float | None
    processes: int | None


@dataclass(slots=True, eq=False)
class LiveChunk:
    """A chunk, and its encoded event, shared by the readers at the same position.

    Attributes:
        before: The execution and the positions of these readers.
        event: The encoded event; empty until a reader has encoded it.
    """

    chunk: OutputChunk
    before: tuple[object, ...] = ()
    event: bytes = b""


class OutputEventEncoder:
    """Encodes output as events that contain each byte once, and keeps the position.

    Args:
        last_event_id: The id of the last event that the client received; the stream resumes after it.
        offset: The position in each stream at which to begin if there is no such id.
    """

    def __init__(self, last_event_id: str | None, offset: int | None = None) -> None:
        self.execution_id: ExecutionId | None = None
        self._offset = offset or 0
        self._wants_all = offset is not None
        self._sent = dict.fromkeys(_STREAMS, 0)
        self._resumed_id, self._resumed = _read_position(last_event_id)

    def begin(self, execution: Execution) -> bytes:
        """Start the output of another execution."""
        self.execution_id = execution.id
        self._sent = dict.fromkeys(_STREAMS, self._offset)
        self._offset = 0  # the caller has no output of later attempts yet
        if str(execution.id) == self._resumed_id:
            self._sent |= self._resumed
            self._wants_all = True
            return b""
        started = ExecutionEvent(execution_id=str(execution.id), number=execution.number)
        return event("execution", started, self._position())

    def encode(self, items: Iterable[LiveChunk | bytes]) -> bytes:
        """Encode the new bytes of chunks, followed by the last encoded usage sample among the items."""
        encoded, usage = [], b""
        for item in items:
            if isinstance(item, LiveChunk):
                encoded.append(self._encode_once(item))
            else:
                usage = item
        return b"".join([*encoded, usage])

    def encode_rest(self, result: ExecutionResult) -> bytes:
        """Encode the rest of the output as far as the result contains it."""
        return b"".join(self._encode_rest(stream, output) for stream, output in _outputs(result))

    def missing(self, result: ExecutionResult) -> list[tuple[Stream, int]]:
        """Return the incomplete streams, with the position in each."""
        return [
            (stream, self._sent[stream])
            for stream, output in _outputs(result)
            if self._sent[stream] < output.total_bytes
        ]

    def is_complete(self, result: ExecutionResult) -> bool:
        """Whether every stream was encoded to its end."""
        return all(self._sent[stream] >= output.total_bytes for stream, output in _outputs(result))

    def _encode_once(self, live: LiveChunk) -> bytes:
        """Encode a chunk, or return the event that another reader at the same position has encoded."""
        chunk, before = live.chunk, (self.execution_id, *self._sent.values())
        if live.event and live.before == before:
            self._sent[chunk.stream] = chunk.offset + len(chunk.data)
            return live.event
        is_next = self._sent[chunk.stream] == chunk.offset
        encoded = self._encode(chunk)
        if is_next and not live.event:
            live.before, live.event = before, encoded
        return encoded

    def _encode(self, chunk: OutputChunk) -> bytes:
        begin = max(self._sent[chunk.stream], chunk.offset)
        data = chunk.data[begin - chunk.offset :]
        if not data:
            return b""
        self._sent[chunk.stream] = begin + len(data)
        encoded = OutputEvent(stream=chunk.stream, offset=begin, at=UNSET if chunk.at is None else chunk.at)
        try:
            encoded.text = data.decode()
        except UnicodeDecodeError:
            encoded.base64 = base64.b64encode(data).decode()
        return event("output", encoded, self._position())

    def _encode_rest(self, stream: Stream, output: Output) -> bytes:
        data = output.text.encode()
        if not output.truncated and len(data) == output.total_bytes and _REPLACED not in output.text:
            return self._encode(OutputChunk(stream, 0, data))
        if self._sent[stream] or self._wants_all or not data:
            return b""
        self._sent[stream] = output.total_bytes
        encoded = OutputEvent(stream=stream, offset=0, text=output.text, exact=False)
        return event("output", encoded, self._position())

    def _position(self) -> str:
        return ":".join((str(self.execution_id), *map(str, self._sent.values())))


def usage_event(sample: UsageSample) -> bytes:
    """Encode a usage sample; all readers receive the same bytes."""
    return event("usage", UsageEvent(**asdict(sample)))


def _outputs(result: ExecutionResult) -> tuple[tuple[Stream, Output], ...]:
    return (Stream.STDOUT, result.stdout), (Stream.STDERR, result.stderr)


def _read_position(event_id: str | None) -> tuple[str | None, dict[Stream, int]]:
    """Parse an event's id; an unknown format counts as no id."""
    execution_id, *offsets = (event_id or "").split(":")
    if len(offsets) != len(Stream) or not all(text.isascii() and text.isdecimal() for text in offsets):
        return None, {}
    return execution_id, dict(zip(Stream, (int(text[:18]) for text in offsets), strict=True))
