"""A small, fast S3 in memory, for loads that are too much for moto and failures that no real server shows.

It supports single puts, gets, deletes and an empty list, and requires no credentials. As a program:
`python -m tests.support.s3_stub --port 9001`.
"""

import argparse
import asyncio
from contextlib import suppress
from typing import Self
from urllib.parse import unquote, urlsplit

from tests.support.loop_thread import LoopThread

_REASONS = {200: "OK", 204: "No Content", 404: "Not Found", 500: "Internal Server Error"}
_FAILURE = b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
_MISSING = b"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"
_EMPTY_LIST = b"<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"


class S3Stub:
    """Stores objects by their path, which is `/bucket/key`. As a context, it runs on a separate thread.

    Attributes:
        objects: The stored objects, by bucket and key.
        failing: Prefixes of paths for which it responds with 500.
        failures: The number of responses with 500.
    """

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.objects: dict[str, bytes] = {}
        self.failing: tuple[str, ...] = ()
        self.failures = 0

    def __enter__(self) -> Self:
        self._loop = LoopThread("s3-stub")
        self._loop.run(self.listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run(self._close())
        self._loop.close()

    @property
    def url(self) -> str:
        """The endpoint's URL."""
        return f"http://127.0.0.1:{self.port}"

    async def listen(self) -> None:
        """Accept connections from now on."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=256)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self._exchange(reader, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the client has left, or the test has ended
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _version = lines[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        place = urlsplit(target)
        status, content = self._answer(method, unquote(place.path), body, is_list="list-type" in place.query)
        head = f'HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Length: {len(content)}\r\nETag: "e"\r\n\r\n'
        writer.write(head.encode() + (b"" if method == "HEAD" else content))
        await writer.drain()

    def _answer(self, method: str, path: str, body: bytes, *, is_list: bool) -> tuple[int, bytes]:
        if self.failing and path.startswith(self.failing):
            self.failures += 1
            return 500, _FAILURE
        if method == "PUT":
            self.objects[path] = body
        elif method == "DELETE":
            self.objects.pop(path, None)
            return 204, b""
        elif is_list:
            return 200, _EMPTY_LIST
        elif method == "GET":
            return (200, self.objects[path]) if path in self.objects else (404, _MISSING)
        return 200, b""


async def serve_s3(port: int) -> None:
    """Serve until the task is cancelled."""
    await S3Stub(port).listen()
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serves S3 from memory.")
    parser.add_argument("--port", type=int, required=True)
    with suppress(KeyboardInterrupt):
        asyncio.run(serve_s3(parser.parse_args().port))
