import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import rich_click as click
from litestar import Litestar

from adapters.common.background import PeriodicTask
from application.queue_history import SAMPLE_EVERY_S, QueueHistory
from entrypoints.cli.banner import banner
from entrypoints.cli.failure import Failure
from entrypoints.cli.logging_setup import configure_logging
from entrypoints.cli.running import running
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.container import Container, build_container
from entrypoints.http.app import create_app
from entrypoints.http.dashboard.pages import prepare
from entrypoints.http.server import HttpServer
from entrypoints.settings_check import warnings
from entrypoints.worker.one_processor import on_one_processor
from entrypoints.worker.runtime import Work

_BACKLOG = 2_048
_log = logging.getLogger("service_server.settings")


@click.command("serve")
@click.option("--host", help="The address to listen on, rather than SERVER_HOST.")
@click.option("--port", type=click.IntRange(0, 65_535), help="The port, rather than SERVER_PORT.")
def command(host: str | None, port: int | None) -> None:
    """Serve the HTTP API."""
    settings = load_settings(host, port)
    configure_logging(settings.log_level)
    with _listen(settings.host, settings.port) as listener:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        container = build_container(settings, load_limits())
        # The server ends by itself on these, and raises them again when it has ended.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: sys.exit(0))
        for warning in warnings(settings, os.environ):
            _log.warning("%s", warning)
        work = Work.ALL if settings.redis_url is None else Work.NONE
        if work is Work.NONE and not settings.uses_runners:
            # The local engine of this process runs nothing: those of the workers do.
            checks = container.health_checks()
            container.health_checks.override(
                {name: check for name, check in checks.items() if name != "engine"}
            )
        with (
            running(container, work),
            on_one_processor(wanted=settings.one_processor),
            _sampling(container.queue_history()),
        ):
            _Server(create_app(container), container).run(sockets=[listener])


class _Server(HttpServer):
    """Says that it has started once it has."""

    def __init__(self, app: Litestar, container: Container) -> None:
        super().__init__(app, container.settings().trusted_proxies)
        self._container = container

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        prepare()
        await super().startup(sockets)
        if self.started:
            warning = self._container.engine().describe().warning
            click.echo("\n".join(banner(self._container.settings(), warning)))


@contextmanager
def _sampling(history: QueueHistory) -> Iterator[None]:
    """Have the dashboard know how long the queue was."""
    loop = PeriodicTask("queue-history", history.sample, SAMPLE_EVERY_S)
    loop.start()
    try:
        yield
    finally:
        loop.stop()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        # The library adds the address to the system's words, and resolvers have words of their own.
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else "the name cannot be resolved"
        where = f"{host}, port {port}"
        raise Failure(
            f"cannot listen on {where}: {str(reason).lower()}; --host and --port choose others"
        ) from error
