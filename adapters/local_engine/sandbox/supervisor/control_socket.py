"""The supervisor's end of a run's control socket. `protocol.py` lists the messages."""

import contextlib
import errno
import fcntl
import os
import socket
import struct
import termios

from adapters.local_engine.sandbox.supervisor.protocol import MAX_MESSAGE_BYTES, RunEvent
from adapters.local_engine.sandbox.supervisor.status_pipe import read_available

_INT = struct.Struct("i")


class ControlSocket:
    """Receives the commands of the engine, and sends it the events of a run."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @property
    def has_unread(self) -> bool:
        """Whether the engine has not read all sent events (SIOCOUTQ of unix(7))."""
        unread = fcntl.ioctl(self.descriptor, termios.TIOCOUTQ, bytes(_INT.size))
        return unread != bytes(_INT.size)

    def receive(self) -> bytes:
        """Return the next command; nothing if the engine has closed its end."""
        return read_available(self.descriptor)

    def send(self, event: RunEvent, directory: int | None = None) -> None:
        """Send an event, with the descriptor of the program's directory if the engine keeps that."""
        message = event.encode()
        with contextlib.suppress(OSError):  # the engine has closed its end, so the run is being killed
            if directory is None or not self._send_with(message, directory):
                os.write(self.descriptor, message)

    def close(self) -> None:
        """Read and close the socket. An unread message would make the close drop the last event."""
        with socket.socket(fileno=self.descriptor) as control_socket, contextlib.suppress(OSError):
            control_socket.shutdown(socket.SHUT_RD)
            while control_socket.recv(MAX_MESSAGE_BYTES):
                continue

    def _send_with(self, message: bytes, directory: int) -> bool:
        """Send a message with a descriptor; return False if the user has too many descriptors in flight."""
        control_socket = socket.socket(fileno=self.descriptor)
        try:
            socket.send_fds(control_socket, [message], [directory])
        except OSError as error:
            if error.errno != errno.ETOOMANYREFS:
                raise
            return False
        finally:
            control_socket.detach()
        return True
