"""Ports for servers that listen on one of a test's choice."""

import socket

_reserved: list[socket.socket] = []


def free_port() -> int:
    """Return a port on which a server can listen, again and again, until this process ends.

    A socket that is bound to it and does not listen stays open: the kernel gives the port to no other socket
    that asks for any, and a server that sets SO_REUSEADDR, as servers do, listens on it nevertheless.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    _reserved.append(reserved)
    return int(reserved.getsockname()[1])
