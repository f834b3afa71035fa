"""Free ports for servers that tests start."""

import atexit
import socket
from contextlib import ExitStack, suppress

_reserved = ExitStack()
atexit.register(_reserved.close)


def free_port() -> int:
    """Return a port on which servers can listen, repeatedly, until this process ends.

    A bound socket that does not listen stays open, so the kernel assigns the port to no other socket. A
    server that sets SO_REUSEADDR, as servers do, can still listen on it.
    """
    return _reserve(0)


def free_ports(number: int) -> range:
    """Return consecutive ports, each reserved as by `free_port`."""
    while True:
        first = free_port()
        with suppress(OSError, OverflowError):
            return range(first, 1 + max(first, *(_reserve(first + more) for more in range(1, number))))


def _reserve(port: int) -> int:
    reserved = _reserved.enter_context(socket.socket())
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", port))
    return int(reserved.getsockname()[1])
