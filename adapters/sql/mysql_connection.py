"""A connection of PyMySQL that does less for each packet, and is otherwise the same."""

import io
import socket
import ssl
import struct
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING

import pymysql
from pymysql.constants import CR
from pymysql.protocol import FieldDescriptorPacket, MysqlPacket

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# A server describes the columns of a statement anew with every result, in the same bytes.
_describe = lru_cache(1_024)(FieldDescriptorPacket)


class Connection(pymysql.Connection):
    """Reads each description of a column once, and has the kernel keep the time of reads and writes.

    With a timeout of its own, Python asks before each of them whether it would wait, and lets go of the
    interpreter's lock once more, which other threads then take: half of all system calls. An encrypted
    connection stays as it is, for OpenSSL would go on after the kernel's timeout.
    """

    _sock: socket.socket  # these are missing in types-pymysql
    _rfile: io.BufferedReader
    _read_timeout: int
    _write_timeout: int
    _kernel_keeps_time = False

    def connect(self, sock: socket.socket | None = None) -> None:
        """Connect, and leave the time to the kernel from then on."""
        self._kernel_keeps_time = False
        super().connect(sock)
        if isinstance(self._sock, ssl.SSLSocket):
            return
        for option, seconds in (
            (socket.SO_RCVTIMEO, self._read_timeout),
            (socket.SO_SNDTIMEO, self._write_timeout),
        ):
            self._sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, 0))
        self._sock.settimeout(None)
        self._current_timeout = self._read_timeout  # or PyMySQL would set it again
        self._rfile.close()
        self._rfile = io.BufferedReader(_Reader(self._sock, "r"))
        self._kernel_keeps_time = True

    def _read_packet(self, packet_type: type[MysqlPacket] = MysqlPacket) -> MysqlPacket:
        read = _describe if packet_type is FieldDescriptorPacket else packet_type
        packet: MysqlPacket = super()._read_packet(read)  # type: ignore[no-untyped-call]
        return packet

    def _write_bytes(self, data: bytes) -> None:
        if not self._kernel_keeps_time:
            super()._write_bytes(data)  # type: ignore[misc]  # missing in types-pymysql
            return
        try:
            self._send(data)
        except OSError as error:
            self._force_close()  # type: ignore[attr-defined]  # likewise
            gone = f"MySQL server has gone away ({error!r})"
            raise pymysql.err.OperationalError(CR.CR_SERVER_GONE_ERROR, gone) from error

    def _send(self, data: bytes) -> None:
        """Send it all within the time of one write: `sendall` would give each piece as much."""
        deadline = monotonic() + self._write_timeout
        left = memoryview(data)
        while left:
            left = left[self._sock.send(left) :]
            if left and monotonic() >= deadline:
                raise TimeoutError("timed out")


class _Reader(socket.SocketIO):
    """Reads from a socket whose time the kernel keeps."""

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read what there is.

        Raises:
            TimeoutError: Nothing came in time.
        """
        size = super().readinto(buffer)
        if size is None:
            raise TimeoutError("timed out")
        return size
