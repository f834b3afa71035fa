"""HTTP/1.1 by the byte, for requests that a client library would not send."""

import socket

import httpx


def connect(url: httpx.URL) -> socket.socket:
    """Connect to the server of an address."""
    return socket.create_connection((url.host, url.port), timeout=60)


def answers(connection: socket.socket) -> list[httpx.Response]:
    """Read all answers to the end of the connection, which has to come."""
    received = b"".join(iter(lambda: connection.recv(65_536), b""))
    found = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        status, *headers = head.decode().split("\r\n")
        pairs = [line.split(": ", 1) for line in headers]
        size = int(httpx.Headers(pairs).get("content-length", 0))
        found.append(httpx.Response(int(status.split()[1]), headers=pairs, content=rest[:size]))
        received = rest[size:]
    return found


def answer(connection: socket.socket) -> httpx.Response:
    """Read the only answer, to the end of the connection."""
    (only,) = answers(connection)
    return only
