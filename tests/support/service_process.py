import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx

PROGRAM = Path(sys.executable).with_name("service-server")
_START_S = 30
_STOP_S = 30


class ServiceProcess:
    """One process of the service, by its command line and environment alone, started again at will.

    Args:
        arguments: The arguments of `service-server`.
        is_ready: Whether the process does its work by now.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        is_ready: Callable[["ServiceProcess"], bool],
    ) -> None:
        self._arguments = arguments
        self._environment = environment
        self._log = log
        self._log_begin = 0
        self._is_ready = is_ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> str:
        """Its output since its last start."""
        return self._log.read_bytes()[self._log_begin :].decode(errors="replace")

    def launch(self) -> None:
        """Start it without waiting for it."""
        with self._log.open("ab") as log:
            self._log_begin = log.tell()
            self._process = subprocess.Popen(
                [PROGRAM, *self._arguments],
                env=dict(self._environment),
                cwd=self._log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_S
        while not self._is_ready(self):
            if not self.is_alive or time.monotonic() > deadline:
                raise AssertionError(f"{self._arguments} did not start:\n{self.output[-4_000:]}")
            time.sleep(0.02)

    def start(self) -> None:
        self.launch()
        self.wait_until_ready()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self) -> None:
        """Ask it to end, as every process manager does."""
        self._send(signal.SIGTERM)

    def freeze(self) -> None:
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    def wait(self, timeout_s: float = _STOP_S) -> int:
        """Return its exit code when it has ended."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def stop(self) -> None:
        """End it in good order if it goes, and anyhow."""
        if not self.is_alive:
            return
        self.thaw()
        self.terminate()
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self.kill()

    def _send(self, number: signal.Signals) -> None:
        if self.is_alive:
            os.kill(self.pid, number)


def answers_at(url: str) -> Callable[[ServiceProcess], bool]:
    """Return whether an API answers at an address."""

    def ask(_process: ServiceProcess) -> bool:
        try:
            return httpx.get(f"{url}/api/health", timeout=2).is_success
        except httpx.TransportError:
            return False

    return ask


def is_ready(url: str) -> bool:
    """Return whether an API at an address reaches all that it depends on."""
    return httpx.get(f"{url}/health/ready", timeout=10).json()["status"] == "ready"


def says(text: str) -> Callable[[ServiceProcess], bool]:
    """Return whether a process has written a text."""
    return lambda process: text in process.output


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
