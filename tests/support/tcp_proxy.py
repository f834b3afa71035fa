"""A TCP proxy that simulates network failures: latency, resets, black holes, a closed port."""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from functools import partial
from typing import Self

from tests.support.loop_thread import LoopThread

PIECE_BYTES = 64 << 10
# SO_LINGER with a timeout of zero: closing sends RST.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Traffic(Enum):
    """The treatment of traffic."""

    PASSES = auto()
    STALLS = auto()  # a black hole: connections are accepted and stay open, but no data passes
    IS_RESET = auto()  # every connection is reset at once


class TcpProxy:
    """Forwards connections to 127.0.0.1:`target_port`, on a separate thread.

    `target_port`, `traffic`, `latency_s`, `reset`, `reset_at`, `close_port` and `open_port` change its
    treatment of connections at run time, from any thread.

    Attributes:
        port: The port of 127.0.0.1 on which it listens.
        latency_s: The delay of each piece of data, in either direction, in seconds.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.latency_s = 0.0
        self.port = 0
        self._traffic = Traffic.PASSES
        self._server: asyncio.Server | None = None
        self.writers: set[asyncio.StreamWriter] = set()
        self._resets: list[tuple[bytes, bool]] = []
        self._loop = LoopThread("tcp-proxy")
        self._may_pass = self._loop.run(_event())
        self.open_port()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Reset all connections and stop listening."""
        self.close_port()
        self.reset()
        self._loop.close()

    @property
    def traffic(self) -> Traffic:
        """The current treatment of traffic."""
        return self._traffic

    @traffic.setter
    def traffic(self, traffic: Traffic) -> None:
        self._loop.run(self._switch(traffic))

    def reset(self) -> None:
        """Reset all current connections."""
        self._loop.run(self._reset())

    def reset_at(self, request: bytes, *, is_delivered: bool) -> None:
        """Reset a connection at the next piece with this request, or instead of its response."""
        self._resets.append((request, is_delivered))

    def close_port(self) -> None:
        """Refuse new connections; current ones stay open."""
        self._loop.run(self._close_port())

    def open_port(self) -> None:
        """Listen on the same port as before."""
        self._loop.run(self._open_port())

    async def _switch(self, traffic: Traffic) -> None:
        self._traffic = traffic
        if traffic is Traffic.STALLS:
            self._may_pass.clear()
        else:
            self._may_pass.set()
        if traffic is Traffic.IS_RESET:
            await self._reset()

    async def _reset(self) -> None:
        for writer in self.writers:
            _abort(writer)

    async def _open_port(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close_port(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._traffic is Traffic.IS_RESET:
            _abort(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            _abort(writer)
            return
        ends = {writer, far_writer}
        self.writers |= ends
        is_answer_lost = asyncio.Event()
        pumps = [
            asyncio.create_task(self._pump(reader, far_writer, partial(self._reset_is_due, is_answer_lost))),
            asyncio.create_task(self._pump(far_reader, writer, lambda _answer: is_answer_lost.is_set())),
        ]
        with suppress(asyncio.CancelledError):  # the test has ended
            await asyncio.gather(*pumps)
        self.writers -= ends
        for end in ends:
            end.close()

    def _reset_is_due(self, is_answer_lost: asyncio.Event, piece: bytes) -> bool:
        if not self._resets or self._resets[0][0] not in piece:
            return False
        _request, is_delivered = self._resets.pop(0)
        if is_delivered:
            is_answer_lost.set()
        return not is_delivered

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_reset: Callable[[bytes], bool]
    ) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(PIECE_BYTES):
                if is_reset(piece):
                    await self._reset()
                    return
                await asyncio.sleep(self.latency_s)
                await self._may_pass.wait()
                writer.write(piece)
                await writer.drain()
        with suppress(OSError, RuntimeError):  # the other side has closed already
            writer.write_eof()


async def _event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


def _abort(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
