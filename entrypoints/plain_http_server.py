"""The standard library's HTTP server, bounded, for few and known callers such as a scraper of metrics."""

import logging
import socket
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import urlsplit


class PlainHttpServer(ThreadingHTTPServer):
    """A server that answers each connection on a thread, up to a number of them.

    Args:
        address: The host and the port; 0 is any.
        handler: Answers a request.
        connections: Connections at once; a further one is closed.
        read_timeout_s: Seconds for which a caller may send nothing of its request.
        logger: The log of failed answers.

    Raises:
        OSError: The port is taken, or the address is not this machine's.
    """

    daemon_threads = True
    # One that has just ended may have left connections behind; the port is free all the same.
    allow_reuse_address = True
    request_queue_size = 128
    # The content of the answers, as the log names it.
    content = "answers"

    def __init__(
        self,
        address: tuple[str, int],
        handler: type["PlainHttpHandler"],
        connections: int,
        read_timeout_s: float,
        logger: logging.Logger,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.read_timeout_s = read_timeout_s
        self._connections = BoundedSemaphore(connections)
        self._logger = logger
        super().__init__(address, handler)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        port: int = self.server_address[1]
        return port

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the library's
        """Answer on a thread, if there are few of them."""
        if self._connections.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - likewise
        """Answer, on the thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, _request: Any, client_address: Any) -> None:  # noqa: ANN401 - likewise
        """Log an error, unless it is that of a caller which hung up."""
        error = sys.exception()
        if not isinstance(error, OSError):
            self._logger.error("%s could not be sent to %s", self.content, client_address[0], exc_info=error)


class PlainHttpHandler(BaseHTTPRequestHandler):
    """Answers one request of a connection."""

    server: PlainHttpServer
    server_version = sys_version = ""

    def setup(self) -> None:
        """Bound the time that the caller may take."""
        self.request.settimeout(self.server.read_timeout_s)
        super().setup()

    def parse_request(self) -> bool:
        """Parse a request, and refuse one whose target is not a URL."""
        if not super().parse_request():
            return False
        try:
            urlsplit(self.path)
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return False
        return True

    def answer(self, status: HTTPStatus, content: bytes, headers: Mapping[str, str]) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the library's
        """Log nothing: the callers ask every few seconds, or have a log of their own."""
