"""Ports for servers that listen on one of a test's choice."""

import atexit
import socket
from contextlib import ExitStack, suppress

_reserved = ExitStack()
atexit.register(_reserved.close)


def free_port() -> int:
    """Return a port on which a server can listen, again and again, until this process ends.

    A socket that is bound to it and does not listen stays open: the kernel gives the port to no other socket
    that asks for any, and a server that sets SO_REUSEADDR, as servers do, listens on it nevertheless.
    """
    return _reserve(0)


def free_ports(number: int) -> range:
    """Return ports that follow one another, each as of `free_port`."""
    while True:
        first = free_port()
        with suppress(OSError, OverflowError):
            return range(first, 1 + max(first, *(_reserve(first + more) for more in range(1, number))))


def _reserve(port: int) -> int:
    reserved = _reserved.enter_context(socket.socket())
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", port))
    return int(reserved.getsockname()[1])
