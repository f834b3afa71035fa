import gc
import signal
import socket
import sys

import rich_click as click
import uvicorn

from entrypoints.cli.banner import banner
from entrypoints.cli.failure import Failure
from entrypoints.cli.logging_setup import configure_logging
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.container import build_container
from entrypoints.http.app import create_app
from entrypoints.settings import Settings
from entrypoints.worker.runtime import Runtime

_BACKLOG = 2_048
# How long a shutdown waits for answers under way, in seconds; streams that followers hold open end then.
_ANSWERS_S = 2


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
        runtime = Runtime(container, works=settings.redis_url is None)
        config = uvicorn.Config(
            create_app(container, runtime=runtime),
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=_ANSWERS_S,
        )
        # The server ends by itself on these, and raises them again when it has ended.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: sys.exit(0))
        server = _Server(config, settings, container.engine().describe().warning)
        server.run(sockets=[listener])
    if not server.started:
        raise Failure("the service could not start; what is above says why")


class _Server(uvicorn.Server):
    """Says that it has started once it has."""

    def __init__(self, config: uvicorn.Config, settings: Settings, warning: str | None) -> None:
        super().__init__(config)
        self._settings = settings
        self._warning = warning

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            gc.collect()
            gc.freeze()  # what is there now stays: collections need not look at it again
            click.echo("\n".join(banner(self._settings, self._warning)))


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(
            f"cannot listen on {host}, port {port}: {reason}; --host and --port choose others"
        ) from error
