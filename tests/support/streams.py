"""Many concurrent readers of event streams, on one thread."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.support.loop_thread import LoopThread

_PIECE_BYTES = 65_536


@contextmanager
def open_streams(url: str, paths: Sequence[str]) -> Iterator["Streams"]:
    """Read the streams at some paths until the context ends."""
    streams = Streams(urlsplit(url).port or 0)
    thread = LoopThread("streams")
    thread.run(streams.open(paths))
    try:
        yield streams
    finally:
        thread.run(streams.close())
        thread.close()


class Streams:
    """Connections, each of which reads one stream."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._readers: list[asyncio.Task[None]] = []

    @property
    def open_number(self) -> int:
        """The number of streams that have not ended."""
        return sum(not reader.done() for reader in self._readers)

    async def open(self, paths: Sequence[str]) -> None:
        """Open all streams, and read the head of each response."""
        for path in paths:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in head.splitlines()[0], head
            self._readers.append(asyncio.create_task(self._read(reader, writer)))

    async def close(self) -> None:
        """Leave all streams."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(_PIECE_BYTES):
                pass
        finally:
            writer.close()
