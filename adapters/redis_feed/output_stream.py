"""The layout of output in Redis: a stream for each execution, an entry for each piece of output.

The usage of a program is an entry without output, as which processes of the version before read it.
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
# Memory that an entry takes in Redis beside its data, so that a flood of single bytes is bounded too.
ENTRY_OVERHEAD_BYTES = 256


def stream_key(execution_id: ExecutionId) -> str:
    """Return the key of an execution's stream."""
    return f"service_server.output.{execution_id}"


@dataclass(slots=True)
class Entry:
    """A piece of output: chunks that follow each other in one stream, joined, and when the first one came.

    Attributes:
        usage: The usage of the program as JSON, in place of output.
    """

    stream: Stream
    offset: int
    at: datetime | None
    data: bytearray = field(default_factory=bytearray)
    usage: bytes = b""

    @property
    def weight(self) -> int:
        """The memory that it takes in Redis, in bytes, roughly."""
        return len(self.data) + ENTRY_OVERHEAD_BYTES

    def takes(self, chunk: OutputChunk) -> bool:
        """Whether a chunk continues this entry."""
        return (
            not self.usage
            and chunk.stream is self.stream
            and chunk.offset == self.offset + len(self.data)
            and len(self.data) + len(chunk.data) <= MAX_ENTRY_BYTES
        )


def join(items: Iterable[OutputChunk | UsageSample]) -> Sequence[Entry]:
    """Make few entries of many chunks, in the same order, and one of each usage."""
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
    """One run of a program, as its writer sees it: numbers the entries, and counts which are to be kept.

    A reader knows by the numbers an entry that was written twice, because its writer did not hear that it
    was written, and by the id the entries of an earlier run.
    """

    id: str = field(default_factory=lambda: uuid4().hex)
    written: int = 0
    kept: deque[int] = field(default_factory=deque)
    kept_bytes: int = 0

    def number(self, entry: Entry) -> tuple[bytes | str | int, ...]:
        """Return an entry's fields, their names and values by turns."""
        self.written += 1
        self.kept.append(entry.weight)
        self.kept_bytes += entry.weight
        content = ("stream", entry.stream.value, "offset", entry.offset, "data", bytes(entry.data))
        at = () if entry.at is None else ("at", entry.at.isoformat())
        usage = ("usage", entry.usage) if entry.usage else ()
        return ("run", self.id, "number", self.written, *content, *at, *usage)

    def keep(self, max_bytes: int) -> int:
        """Return the number of the latest entries that weigh no more than that together."""
        while self.kept_bytes > max_bytes:
            self.kept_bytes -= self.kept.popleft()
        return len(self.kept)


@dataclass(slots=True)
class Position:
    """A reader's position in the run that it reads."""

    run: bytes = b""
    number: int = 0

    def read(self, fields: Mapping[bytes, bytes]) -> OutputChunk | UsageSample | None:
        """Read an entry; return None if it was read before.

        Raises:
            KeyError: A field is missing.
            ValueError: A field cannot be read.
            TypeError: The usage has other figures.
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
