"""The service inside a command's process, for commands without `--server`."""

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from entrypoints.cli.client import ServiceClient
from entrypoints.cli.logging_setup import configure_logging
from entrypoints.cli.running import running
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.container import build_container
from entrypoints.http.app import create_app
from entrypoints.http.server import HttpServer
from entrypoints.settings import AuthMode
from entrypoints.topology import Topology

_PREFIX = "service-server-"
# unix(7): a socket's path has 108 bytes, of which the last is zero; BSD and macOS have four less. The
# directory's name ends in eight characters of tempfile's.
_PARENT_MAX_BYTES = 103 - len(f"/{_PREFIX}12345678/api")


@contextmanager
def serve_embedded(*, runs: bool, asks_engine: bool) -> Iterator[ServiceClient]:
    """Serves the API to this process alone, on a socket in a directory that only its user may enter.

    It is a standalone runner: it leaves other processes' work alone, and with Redis, where workers run
    programs, also the programs of its own.
    """
    settings = load_settings().model_copy(update={"auth": AuthMode.OFF, "drain_s": 0})
    # What goes wrong is told once, as the API's answer.
    configure_logging(settings.log_level if settings.debug else "CRITICAL")
    topology = Topology.of_command(settings, runs_programs=runs, asks_engine=asks_engine)
    container = build_container(settings, load_limits(), topology)
    app = create_app(settings, container.limit_policy(), container.ports(), container.services())
    background = running(container.background_services(), topology, container.schema())
    with background, tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_parent(settings.data_dir)) as directory:
        path = str(Path(directory) / "api")
        # Listening before the server starts lets the first request wait for it without asking again.
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            with _served(HttpServer(app), listener):
                client = ServiceClient.on_socket(path)
                try:
                    yield client
                finally:
                    client.close()


def _parent(data_dir: Path) -> str:
    """Return a directory for temporary files whose path leaves room for a socket's.

    Where the root file system is read-only, there may be none but the data directory.
    """
    try:
        directory = tempfile.gettempdir()
    except FileNotFoundError:
        directory = str(data_dir)
    if len(os.fsencode(directory)) <= _PARENT_MAX_BYTES:
        return directory
    return "/tmp"  # noqa: S108 - what is made in it is for this user alone


@contextmanager
def _served(server: HttpServer, listener: socket.socket) -> Iterator[None]:
    thread = Thread(target=server.run, args=([listener],), name="embedded-service")
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
