"""A connection of PyMySQL that does less for each packet, and is otherwise the same."""

import io
import socket
import ssl
import struct
from functools import lru_cache
from typing import TYPE_CHECKING

import pymysql
from pymysql.protocol import FieldDescriptorPacket, MysqlPacket

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# A server describes the columns of a statement anew with every result, in the same bytes.
_describe = lru_cache(1_024)(FieldDescriptorPacket)


class Connection(pymysql.Connection):
    """Reads each description of a column once, which would take longer than all else about a row."""

    _sock: socket.socket  # missing in types-pymysql
    _rfile: io.BufferedReader

    def leave_time_to_kernel(self, timeout_s: int) -> None:
        """Have SO_RCVTIMEO and SO_SNDTIMEO (socket(7)) bound each read and write, unless it is encrypted.

        With a timeout of its own, Python asks before each of them whether it would wait, and lets go of the
        interpreter's lock once more, which other threads then take: half of all system calls.
        """
        if isinstance(self._sock, ssl.SSLSocket):
            return  # OpenSSL would go on after the kernel's timeout
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", timeout_s, 0))
        self._sock.settimeout(None)
        self._current_timeout = self._read_timeout = self._write_timeout = None
        self._rfile.close()
        self._rfile = io.BufferedReader(_Reader(self._sock, "r"))

    def _read_packet(self, packet_type: type[MysqlPacket] = MysqlPacket) -> MysqlPacket:
        read = _describe if packet_type is FieldDescriptorPacket else packet_type
        packet: MysqlPacket = super()._read_packet(read)  # type: ignore[no-untyped-call]
        return packet


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
