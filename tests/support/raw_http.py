"""HTTP/1.1 over a socket, for requests that no client library would send."""

import socket

import httpx


def connect(url: httpx.URL) -> socket.socket:
    """Connect to the server in a URL."""
    return socket.create_connection((url.host, url.port), timeout=60)


def answers(connection: socket.socket) -> list[httpx.Response]:
    """Read all responses until the server closes the connection, which it must do."""
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
    """Read the only response, until the server closes the connection."""
    (only,) = answers(connection)
    return only
