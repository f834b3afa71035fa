"""Server-sent events (WHATWG HTML, 9.2)."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import msgspec

MEDIA_TYPE = "text/event-stream"
# Proxies must forward events without buffering.
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
# Comments keep the connection open through proxies that close idle ones.
HEARTBEAT = b": alive\n\n"
HEARTBEAT_S = 10.0
# Bytes that are sent in one step, which blocks the event loop while they are copied.
_CHUNK_BYTES = 64 << 10


def event(name: str, data: object, event_id: str | None = None) -> bytes:
    """Encode one event. Its data is JSON, which has no line breaks."""
    id_line = "" if event_id is None else f"id: {event_id}\n"
    return b"%sevent: %s\ndata: %s\n\n" % (id_line.encode(), name.encode(), msgspec.json.encode(data))


async def chunked(events: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """Yield the same bytes in small chunks, so that many clients are served concurrently."""
    async with aclosing(events):
        async for piece in events:
            for begin in range(0, len(piece), _CHUNK_BYTES):
                yield piece[begin : begin + _CHUNK_BYTES]
