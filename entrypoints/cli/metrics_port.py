"""The port on which a process serves its metrics and its health."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from application.ports.measurements import Measurements
from domain.catalogue.text import text
from entrypoints.cli.errors import Failure, fault_of
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
    """Serve metrics and health while the context lasts, if the settings have a port for them.

    Args:
        settings: The settings, which have the host and the port.
        measurements: The metrics.
        processes: The number of processes that share the settings. Each uses the first free port of a range
            of this size.
        is_stuck: Returns whether the process is alive but does not do its work.

    Raises:
        Failure: The ports are in use.
    """
    if settings.metrics_port is None:
        yield
        return
    host, first = settings.metrics_host, settings.metrics_port
    # Port 0 means any free port, for each process.
    ports = range(first, min(first + processes, 65_536)) if first else [0]
    try:
        server = MetricsServer(measurements, host, ports, is_stuck=is_stuck)
    except OSError as error:
        name = variable(Settings, "metrics_port")
        taken = text("cli.metrics_port_taken", host=host, port=first, detail=fault_of(error), setting=name)
        raise Failure(taken) from error
    server.start()
    logger.info("metrics are served on %s:%d%s", f"[{host}]" if ":" in host else host, server.port, PATH)
    try:
        yield
    finally:
        server.stop()
