"""The event stream format (WHATWG HTML, 9.2.6), as far as this service writes it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: its type, its data, and the id to resume after it."""

    name: str
    data: str
    id: str | None


def read_events(pieces: Iterable[bytes]) -> Iterator[ServerSentEvent]:
    """Read events from the pieces that a stream comes in; comments, such as heartbeats, are skipped."""
    name, data, last_id = "message", list[str](), None
    for line in _lines(pieces):
        if not line:
            if data:
                yield ServerSentEvent(name, "\n".join(data), last_id)
            name, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            last_id = value


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Join pieces and part them at line feeds only: other separators of Unicode may be within the data."""
    pending = b""
    for piece in pieces:
        *lines, pending = (pending + piece).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace")
