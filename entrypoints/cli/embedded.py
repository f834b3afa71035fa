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
# unix(7): the path of a socket has 108 bytes including a final NUL, and four fewer on BSD and macOS. tempfile
# ends the directory's name with eight characters.
_PARENT_MAX_BYTES = 103 - len(f"/{_PREFIX}12345678/api")


@contextmanager
def serve_embedded(*, runs: bool, asks_engine: bool) -> Iterator[ServiceClient]:
    """Serve the API only to this process, on a socket in a directory that only its user can access.

    The service is a standalone runner, which does no work of other processes. With Redis, it does not run its
    own programs either, because workers run them.
    """
    settings = load_settings().model_copy(update={"auth": AuthMode.OFF, "drain_s": 0})
    # Failures are reported once, by the answers of the API.
    configure_logging(settings.log_level if settings.debug else "CRITICAL")
    topology = Topology.of_command(settings, runs_programs=runs, asks_engine=asks_engine)
    container = build_container(settings, load_limits(), topology)
    app = create_app(settings, container.limit_policy(), container.ports(), container.services())
    background = running(container.background_services(), topology, container.schema())
    with background, tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_parent(settings.data_dir)) as directory:
        path = str(Path(directory) / "api")
        # The socket listens before the server starts, so that the first request waits instead of failing.
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
    """Return a directory for temporary files whose path is short enough for a socket in it.

    If the root filesystem is read-only, only the data directory may be left.
    """
    try:
        directory = tempfile.gettempdir()
    except FileNotFoundError:
        directory = str(data_dir)
    if len(os.fsencode(directory)) <= _PARENT_MAX_BYTES:
        return directory
    return "/tmp"  # noqa: S108 - only this user can access the directory made in it


@contextmanager
def _served(server: HttpServer, listener: socket.socket) -> Iterator[None]:
    thread = Thread(target=server.run, args=([listener],), name="embedded-service")
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
