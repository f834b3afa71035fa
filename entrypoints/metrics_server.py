"""The metrics and the health of a process on a port of their own."""

import logging
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Thread
from typing import Any
from urllib.parse import urlsplit

from application.ports.measurements import Measurements
from entrypoints.metrics_format import wants_openmetrics

logger = logging.getLogger("service_server.metrics")

PATH = "/metrics"
HEALTH_PATH = "/health/live"
REQUESTS_AT_ONCE = 4
READ_TIMEOUT_S = 5.0


class MetricsServer:
    """Answers `GET /metrics` and `GET /health/live`, on threads of its own, and asks for no key.

    Args:
        measurements: The metrics.
        host: The address to listen on.
        ports: The ports to listen on, of which the first free one is taken; 0 is any.
        read_timeout_s: Seconds for which a caller may send nothing of its request.
        is_stuck: Whether the process is alive without doing its work.

    Raises:
        OSError: None of the ports is free, or the address is not this machine's.
    """

    def __init__(
        self,
        measurements: Measurements,
        host: str,
        ports: Iterable[int],
        read_timeout_s: float = READ_TIMEOUT_S,
        is_stuck: Callable[[], bool] = lambda: False,
    ) -> None:
        self._server = _listen(host, ports, measurements)
        self._server.read_timeout_s = read_timeout_s
        self._server.is_stuck = is_stuck
        self._thread = Thread(target=self._server.serve_forever, name="metrics-server", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        port: int = self._server.server_address[1]
        return port

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # One that has just ended may have left connections behind; the port is free all the same.
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], measurements: Measurements) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.measurements = measurements
        self.read_timeout_s = READ_TIMEOUT_S
        self.is_stuck: Callable[[], bool] = lambda: False
        self._room = BoundedSemaphore(REQUESTS_AT_ONCE)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the library's
        """Answer on a thread, if there are few of them."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - likewise
        """Answer, on the thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, _request: Any, client_address: Any) -> None:  # noqa: ANN401 - likewise
        """Log an error, unless it is that of a caller which hung up."""
        error = sys.exception()
        if not isinstance(error, OSError):
            logger.error("metrics could not be sent to %s", client_address[0], exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = sys_version = ""

    def setup(self) -> None:
        """Bound the time that the caller may take."""
        self.request.settimeout(self.server.read_timeout_s)
        super().setup()

    def do_GET(self) -> None:
        """Answer with the metrics, or with the health."""
        path = urlsplit(self.path).path
        if path == HEALTH_PATH:
            self._answer_health()
        elif path == PATH:
            self._answer_metrics()
        else:
            self.send_error(HTTPStatus.NOT_FOUND, explain=f"Metrics are at {PATH}, health at {HEALTH_PATH}.")

    def _answer_health(self) -> None:
        is_stuck = self.server.is_stuck()
        self._answer(
            HTTPStatus.SERVICE_UNAVAILABLE if is_stuck else HTTPStatus.OK,
            b'{"status":"stuck"}' if is_stuck else b'{"status":"live"}',
            {"Content-Type": "application/json"},
        )

    def _answer_metrics(self) -> None:
        accept = self.headers.get("Accept")
        exposition = self.server.measurements.expose(as_openmetrics=wants_openmetrics(accept))
        headers = {"Content-Type": exposition.media_type, "Vary": "Accept"}
        self._answer(HTTPStatus.OK, exposition.content, headers)

    def _answer(self, status: HTTPStatus, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the library's
        """Log nothing: a scrape every few seconds is no news."""


def _listen(host: str, ports: Iterable[int], measurements: Measurements) -> _Server:
    *first, last = ports
    for port in first:
        with suppress(OSError):
            return _Server((host, port), measurements)
    return _Server((host, last), measurements)
