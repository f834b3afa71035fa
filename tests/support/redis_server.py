"""A private Redis server, which tests kill, freeze and empty."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis

from tests.support.ports import free_port
from tests.support.processes import ENDS_WITH_ITS_PARENT

_START_S = 90
_MISSING = "redis-server is not installed: apt-get install redis-server"


@contextmanager
def redis_server() -> Iterator["RedisServer"]:
    """Run a Redis without persistence on a free port of this host."""
    if shutil.which("redis-server") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(_MISSING)
    with tempfile.TemporaryDirectory() as directory:
        server = RedisServer(Path(directory), free_port())
        server.start()
        try:
            yield server
        finally:
            server.kill()


class RedisServer:
    """A server process, which uses the same port when it is started again."""

    def __init__(self, directory: Path, port: int) -> None:
        self._directory = directory
        self.port = port
        self._process: subprocess.Popen | None = None
        self.url = f"redis://127.0.0.1:{port}/0"

    def start(self) -> None:
        options = {
            "bind": "127.0.0.1",
            "port": self.port,
            "dir": self._directory,
            "save": "",
            "appendonly": "no",
        }
        arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        with (self._directory / "log").open("a") as log:
            self._process = subprocess.Popen(
                [*ENDS_WITH_ITS_PARENT, "redis-server", *arguments], stdout=log, stderr=log
            )
        self._wait_until_it_answers()

    def kill(self) -> None:
        """Kill the server, as a power failure would."""
        with self._process as process:
            process.kill()

    def restart(self) -> None:
        self.kill()
        self.start()

    def revive(self) -> None:
        """Start the server again if it is not running."""
        if self._process.poll() is not None:
            self.start()

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze the server: it accepts connections, but does not respond."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def follow(self, primary: "RedisServer") -> None:
        """Become a replica of another server; connections stay open."""
        with self.client() as client:
            client.replicaof("127.0.0.1", primary.port)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + _START_S
        with self.client() as client:
            while time.monotonic() < deadline and self._process.poll() is None:
                with suppress(redis.ConnectionError):
                    client.ping()
                    return
                time.sleep(0.01)
        raise AssertionError((self._directory / "log").read_text())
