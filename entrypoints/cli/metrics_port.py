"""The port of a process for its metrics and its health."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from application.ports.measurements import Measurements
from entrypoints.cli.errors import Failure
from entrypoints.metrics_server import PATH, MetricsServer
from entrypoints.settings import Settings, variable

logger = logging.getLogger("service_server.metrics")


@contextmanager
def serving_metrics(
    settings: Settings,
    measurements: Measurements,
    processes: int = 1,
    *,
    is_stuck: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Serve metrics and health for as long as the context lasts, if the settings name a port for them.

    Args:
        settings: They name the host and the port.
        measurements: The metrics.
        processes: The number of processes beside each other: each takes the first free port of so many.
        is_stuck: Whether the process is alive without doing its work.

    Raises:
        Failure: The port is taken.
    """
    if settings.metrics_port is None:
        yield
        return
    host, first = settings.metrics_host, settings.metrics_port
    # 0 is any port, for each of them.
    ports = range(first, min(first + processes, 65_536)) if first else [0]
    try:
        server = MetricsServer(measurements, host, ports, is_stuck=is_stuck)
    except OSError as error:
        name = variable(Settings, "metrics_port")
        reason = os.strerror(error.errno or 0).lower()
        raise Failure(f"metrics cannot be served on {host}, port {first}: {reason}; see {name}") from error
    server.start()
    logger.info("metrics are served on %s:%d%s", f"[{host}]" if ":" in host else host, server.port, PATH)
    try:
        yield
    finally:
        server.stop()
