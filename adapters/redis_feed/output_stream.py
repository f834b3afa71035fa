"""The format of output in Redis: a stream for each execution, with an entry for each piece of output.

A program's usage is stored as an entry without output, because the previous version reads it as an empty
chunk.
"""

import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from uuid import uuid4

from application.ports.output_feed import OutputChunk, Stream, UsageSample
from domain.values import ExecutionId

DEPENDENCY = "output feed"
MAX_ENTRY_BYTES = 64 << 10
# Memory that an entry takes in Redis in addition to its data. Counting it bounds a flood of single bytes too.
ENTRY_OVERHEAD_BYTES = 256


def stream_key(execution_id: ExecutionId) -> str:
    """Return the key of an execution's stream."""
    return f"service_server.output.{execution_id}"


@dataclass(slots=True)
class Entry:
    """A piece of output: joined consecutive chunks of one stream, with the arrival time of the first.

    Attributes:
        usage: The program's usage as JSON, in place of output.
    """

    stream: Stream
    offset: int
    at: datetime | None
    data: bytearray = field(default_factory=bytearray)
    usage: bytes = b""

    @property
    def weight(self) -> int:
        """The approximate memory that the entry takes in Redis, in bytes."""
        return len(self.data) + ENTRY_OVERHEAD_BYTES

    def takes(self, chunk: OutputChunk) -> bool:
        """Whether a chunk can be appended to this entry."""
        return (
            not self.usage
            and chunk.stream is self.stream
            and chunk.offset == self.offset + len(self.data)
            and len(self.data) + len(chunk.data) <= MAX_ENTRY_BYTES
        )


def join(items: Iterable[OutputChunk | UsageSample]) -> Sequence[Entry]:
    """Join chunks into as few entries as possible, in the same order; each usage becomes an entry."""
    entries: list[Entry] = []
    for item in items:
        if isinstance(item, UsageSample):
            entries.append(Entry(Stream.STDOUT, 0, None, usage=json.dumps(asdict(item)).encode()))
            continue
        if not (entries and entries[-1].takes(item)):
            entries.append(Entry(item.stream, item.offset, item.at))
        entries[-1].data += item.data
    return entries


@dataclass(slots=True)
class Run:
    """The writer's state of one run of a program: numbers the entries, and counts the ones to keep.

    The numbers let a reader recognize an entry that was written twice because the writer got no answer. The
    id distinguishes the entries from those of an earlier run.
    """

    id: str = field(default_factory=lambda: uuid4().hex)
    written: int = 0
    kept: deque[int] = field(default_factory=deque)
    kept_bytes: int = 0

    def number(self, entry: Entry) -> tuple[bytes | str | int, ...]:
        """Return an entry's fields as alternating names and values."""
        self.written += 1
        self.kept.append(entry.weight)
        self.kept_bytes += entry.weight
        content = ("stream", entry.stream.value, "offset", entry.offset, "data", bytes(entry.data))
        at = () if entry.at is None else ("at", entry.at.isoformat())
        usage = ("usage", entry.usage) if entry.usage else ()
        return ("run", self.id, "number", self.written, *content, *at, *usage)

    def keep(self, max_bytes: int) -> int:
        """Return the number of latest entries that together weigh at most `max_bytes`."""
        while self.kept_bytes > max_bytes:
            self.kept_bytes -= self.kept.popleft()
        return len(self.kept)


@dataclass(slots=True)
class Position:
    """A reader's position in a run."""

    run: bytes = b""
    number: int = 0

    def read(self, fields: Mapping[bytes, bytes]) -> OutputChunk | UsageSample | None:
        """Decode an entry; return None if it was read before.

        Raises:
            KeyError: A field is missing.
            ValueError: A field cannot be decoded.
            TypeError: The usage has unknown or missing figures.
        """
        run, number = fields[b"run"], int(fields[b"number"])
        if run == self.run and number <= self.number:
            return None
        self.run, self.number = run, number
        if b"usage" in fields:
            return UsageSample(**json.loads(fields[b"usage"]))
        stream, at = Stream(fields[b"stream"].decode()), fields.get(b"at")
        came = None if at is None else datetime.fromisoformat(at.decode())
        return OutputChunk(stream, int(fields[b"offset"]), fields[b"data"], came)
