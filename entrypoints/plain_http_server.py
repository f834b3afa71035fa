"""The standard library's HTTP server with limits, for a few known callers such as a metrics scraper."""

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
    """A server that serves each connection on a thread, up to a maximum number.

    Args:
        address: The host and the port; port 0 for any free port.
        handler: Handles the request of a connection.
        connections: The number of connections at once; further ones are closed.
        read_timeout_s: Seconds for which a caller may send nothing of its request.
        logger: The logger for failed answers.

    Raises:
        OSError: The port is in use, or the address does not belong to this machine.
    """

    daemon_threads = True
    # The port can be bound although a server that has just ended may have left connections behind.
    allow_reuse_address = True
    request_queue_size = 128
    # The name of the answers' content in the log.
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
        """The port that the server listens on."""
        port: int = self.server_address[1]
        return port

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the library's
        """Handle a connection on a thread, or close it if there are too many."""
        if not self._connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread will release it
            self._connections.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - likewise
        """Handle a connection, on its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, _request: Any, client_address: Any) -> None:  # noqa: ANN401 - likewise
        """Log an error, unless the caller has closed the connection."""
        error = sys.exception()
        if not isinstance(error, OSError):
            self._logger.error("%s could not be sent to %s", self.content, client_address[0], exc_info=error)


class PlainHttpHandler(BaseHTTPRequestHandler):
    """Handles the single request of a connection."""

    server: PlainHttpServer
    server_version = sys_version = ""

    def setup(self) -> None:
        """Set the timeout for reading the request."""
        self.request.settimeout(self.server.read_timeout_s)
        super().setup()

    def parse_request(self) -> bool:
        """Parse a request; refuse a request whose target is not a URL."""
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
        """Log nothing: callers send a request every few seconds, or have their own log."""
