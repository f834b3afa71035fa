"""A server for the metrics and the health of a process, on a separate port."""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from threading import Thread
from urllib.parse import urlsplit

from application.ports.measurements import Measurements
from entrypoints.metrics_format import wants_openmetrics
from entrypoints.plain_http_server import PlainHttpHandler, PlainHttpServer

logger = logging.getLogger("service_server.metrics")

PATH = "/metrics"
HEALTH_PATH = "/health/live"
REQUESTS_AT_ONCE = 4
READ_TIMEOUT_S = 5.0


class MetricsServer:
    """Serves `GET /metrics` and `GET /health/live` on its own threads, without asking for a key.

    Args:
        measurements: The metrics.
        host: The address to listen on.
        ports: The ports to try, of which the first free one is used; 0 for any free port.
        read_timeout_s: Seconds for which a caller may send nothing of its request.
        is_stuck: Returns whether the process is alive but does not do its work.

    Raises:
        OSError: None of the ports is free, or the address does not belong to this machine.
    """

    def __init__(
        self,
        measurements: Measurements,
        host: str,
        ports: Iterable[int],
        read_timeout_s: float = READ_TIMEOUT_S,
        is_stuck: Callable[[], bool] = lambda: False,
    ) -> None:
        self._server = _listen(
            ports, lambda port: _Server((host, port), measurements, read_timeout_s, is_stuck)
        )
        self._thread = Thread(target=self._server.serve_forever, name="metrics-server", daemon=True)

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return self._server.port

    def start(self) -> None:
        """Start to serve requests."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving requests, and free the port."""
        self._server.shutdown()
        self._server.server_close()


class _Server(PlainHttpServer):
    content = "metrics"

    def __init__(
        self,
        address: tuple[str, int],
        measurements: Measurements,
        read_timeout_s: float,
        is_stuck: Callable[[], bool],
    ) -> None:
        self.measurements = measurements
        self.is_stuck = is_stuck
        super().__init__(address, _Handler, REQUESTS_AT_ONCE, read_timeout_s, logger)


class _Handler(PlainHttpHandler):
    server: _Server

    def do_GET(self) -> None:  # noqa: N802 - the library's
        """Answer with the metrics or the health."""
        path = urlsplit(self.path).path
        if path == HEALTH_PATH:
            self._answer_health()
        elif path == PATH:
            self._answer_metrics()
        else:
            self.send_error(HTTPStatus.NOT_FOUND, explain=f"Metrics are at {PATH}, health at {HEALTH_PATH}.")

    def _answer_health(self) -> None:
        is_stuck = self.server.is_stuck()
        self.answer(
            HTTPStatus.SERVICE_UNAVAILABLE if is_stuck else HTTPStatus.OK,
            b'{"status":"stuck"}' if is_stuck else b'{"status":"live"}',
            {"Content-Type": "application/json"},
        )

    def _answer_metrics(self) -> None:
        accept = self.headers.get("Accept")
        exposition = self.server.measurements.expose(as_openmetrics=wants_openmetrics(accept))
        headers = {"Content-Type": exposition.media_type, "Vary": "Accept"}
        self.answer(HTTPStatus.OK, exposition.content, headers)


def _listen(ports: Iterable[int], listen: Callable[[int], _Server]) -> _Server:
    *first, last = ports
    for port in first:
        with suppress(OSError):
            return listen(port)
    return listen(last)
