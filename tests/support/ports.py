"""Ports for servers that listen on one of a test's choice."""

import atexit
import socket
from contextlib import ExitStack

_reserved = ExitStack()
atexit.register(_reserved.close)


def free_port() -> int:
    """Return a port on which a server can listen, again and again, until this process ends.

    A socket that is bound to it and does not listen stays open: the kernel gives the port to no other socket
    that asks for any, and a server that sets SO_REUSEADDR, as servers do, listens on it nevertheless.
    """
    reserved = _reserved.enter_context(socket.socket())
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return int(reserved.getsockname()[1])
