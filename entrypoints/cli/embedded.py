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
from entrypoints.worker.runtime import Work

_PREFIX = "service-server-"
# unix(7): a socket's path has 108 bytes, of which the last is zero; BSD and macOS have four less. The
# directory's name ends in eight characters of tempfile's.
_PARENT_MAX_BYTES = 103 - len(f"/{_PREFIX}12345678/api")


@contextmanager
def serve_embedded(*, runs: bool) -> Iterator[ServiceClient]:
    """Serve the API to this process alone, on a socket in a directory that only its user may enter.

    It is a guest on the data that it works on: what others wait for is left to those who serve it, and with
    Redis, where workers do the work, so are the programs of its own.
    """
    settings = load_settings().model_copy(update={"drain_s": 0})
    # What goes wrong is told once, as the API's answer.
    configure_logging(settings.log_level if settings.debug else "CRITICAL")
    container = build_container(settings, load_limits())
    work = Work.OWN if runs and settings.redis_url is None else Work.NONE
    with running(container, work), tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_parent()) as directory:
        path = str(Path(directory) / "api")
        # Listening before the server starts lets the first request wait for it without asking again.
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            with _served(HttpServer(create_app(container)), listener):
                client = ServiceClient.on_socket(path)
                try:
                    yield client
                finally:
                    client.close()


def _parent() -> str:
    """Return a directory for temporary files whose path leaves room for a socket's."""
    directory = tempfile.gettempdir()
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
