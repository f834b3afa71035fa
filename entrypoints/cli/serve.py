"""The command `serve`, which serves the HTTP API and runs the background services."""

import logging
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import rich_click as click
from litestar import Litestar

from application.ports.execution_engine import ExecutionEngine
from domain.catalogue.text import Text, text
from entrypoints.cli.errors import ExitCode, Failure, fault_of, in_language
from entrypoints.cli.logging_setup import configure_logging
from entrypoints.cli.metrics_port import serving_metrics
from entrypoints.cli.parts import parts
from entrypoints.cli.running import running
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.cli.terminal import aligned
from entrypoints.container import build_container
from entrypoints.http.app import create_app
from entrypoints.http.server import HttpServer
from entrypoints.http.site import Site
from entrypoints.settings import Settings, variable
from entrypoints.settings_check import OPEN_TO_ALL, warnings
from entrypoints.topology import Topology
from entrypoints.worker.cpu_affinity import pinned_to_one_cpu
from entrypoints.worker.stop_signals import stop_signals

_BACKLOG = 2_048
# Programs with their inputs. Programs on runners have no input.
_SUM = ("print(sum(map(int, input().split())))", "input_data=1+2+3&")
_ANSWER = ("print(6 * 7)", "")
_UPLOAD = (
    "curl -s {key}{url}/api/upload -H 'Content-Type: application/json' -d "
    """'{{"project": "first", "language": "python", "code": "{code}"}}'"""
)
_KEY_HEADER = '-H "Authorization: Bearer $SERVICE_SERVER_API_KEY" '
_log = logging.getLogger("service_server.settings")


@click.command("serve")
@click.option("--host", help="Address to listen on, instead of SERVER_HOST.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on, instead of SERVER_PORT.")
def command(host: str | None, port: int | None) -> None:
    """Serve the HTTP API."""
    settings = load_settings(host, port)
    _ensure_callers_are_decided(settings)
    configure_logging(settings.log_level, settings.line_format)
    with _listen(settings.host, settings.port) as listener:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        topology = Topology.of_server(settings)
        container = build_container(settings, load_limits(), topology)
        # The server handles these signals to stop, and raises them again after it has stopped.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: sys.exit(0))
        if signal.SIGHUP in stop_signals():  # which the server does not handle
            signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
        for warning in warnings(settings, os.environ):
            _log.warning("%s", warning)
        services = container.services()
        with (
            pinned_to_one_cpu(wanted=settings.one_processor),
            running(container.background_services(), topology, container.schema()),
            serving_metrics(settings, container.measurements()),
        ):
            site = Site.of(settings, services)
            app = create_app(settings, container.limit_policy(), container.ports(), services, site)
            _Server(app, settings, container.engine()).run(sockets=[listener])


def _ensure_callers_are_decided(settings: Settings) -> None:
    """Refuse to listen to other machines unless it is decided who may call.

    Raises:
        Failure: SERVICE_SERVER_AUTH is not set, and the address is not a loopback address.
    """
    if settings.auth is None and not settings.is_on_loopback:
        setting = variable(Settings, "auth")
        raise Failure(text("cli.callers_undecided", host=settings.host, setting=setting), ExitCode.USAGE)


class _Server(HttpServer):
    """An HTTP server that prints a banner once it listens."""

    def __init__(self, app: Litestar, settings: Settings, engine: ExecutionEngine) -> None:
        super().__init__(app, settings.trusted_proxies)
        self._settings = settings
        self._engine = engine

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            click.echo("\n".join(banner(self._settings, self._engine.describe().warning)))


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        # The library adds the address to the system's message, and resolvers have their own messages.
        number = error.errno or 0
        reason = fault_of(OSError(number, os.strerror(number))) if number > 0 else text("cli.unresolved")
        raise Failure(text("cli.cannot_listen", host=host, port=port, detail=reason)) from error


def banner(settings: Settings, warning: Text | str | None) -> Iterator[str]:
    """Yield lines with the address and the parts of a server, and the commands for a first program."""
    url = f"http://{_reachable(settings.host)}:{settings.port}"
    yield in_language(text("serve.listens", url=url))
    for line in aligned([(in_language(name), in_language(what)) for name, what in parts(settings)]):
        yield f"  {line}"
    for sentence in filter(None, (warning, OPEN_TO_ALL if settings.is_open_to_all else None)):
        yield f"\n  {in_language(text('serve.warning', sentence=sentence))}"
    reads_stdin = not settings.uses_runners
    code, stdin = _SUM if reads_stdin else _ANSWER
    key = _KEY_HEADER if settings.asks_for_keys else ""
    yield f"\n{in_language(text('serve.first_program'))}"
    yield f"""  JOB=$({_UPLOAD.format(key=key, url=url, code=code)} | cut -d'"' -f4)"""
    yield f'  curl -s {key}-X POST "{url}/api/execute/$JOB?{stdin}wait=10"'
    if settings.asks_for_keys:
        yield in_language(text("serve.with_key"))
    if reads_stdin:
        yield in_language(text("serve.with_command_line"))
        yield f"  {_program()} run --server {url} --stdin 'to be or not to be' examples/words.py"
    yield ""


def _program() -> str:
    """Return the command that starts this program from the current directory."""
    name = Path(sys.argv[0])
    found = shutil.which(name.name)
    if found is not None and Path(found).resolve() == name.resolve():
        return name.name
    return os.path.relpath(name)


def _reachable(host: str) -> str:
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared with, not listened on
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
