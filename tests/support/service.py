"""The program `service-server` in separate processes."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, Self

import httpx
import psutil

from tests.support import prepared_program
from tests.support.databases import make_tables
from tests.support.no_tls import NO_TLS
from tests.support.prepared_program import StartedProcess
from tests.support.processes import PATIENCE_S, pause

PROGRAM = str(Path(sys.executable).with_name("service-server"))
ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = STOP_TIMEOUT_S = 2 * PATIENCE_S
_IS_TEST = "PYTEST_VERSION" in os.environ
_OURS = ("SERVICE_SERVER_", "SERVER_", "AWS_", "EXECUTION_ENGINE_", "OTEL_", "ENVIRONMENT", "DEBUG")


def environment(data_dir: Path, **settings: object) -> dict[str, str]:
    """Return this process's environment with only these settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    chosen = {name: str(value) for name, value in settings.items()}
    return {**inherited, "SERVICE_SERVER_DATA_DIR": str(data_dir), **chosen}


def run(
    *arguments: str, env: Mapping[str, str], stdin: bytes | None = None, timeout_s: float = PATIENCE_S
) -> subprocess.CompletedProcess[bytes]:
    """Run the program, and wait for its end."""
    with TemporaryFile() as source, TemporaryFile() as output, TemporaryFile() as errors:
        source.write(stdin or b"")
        source.seek(0)
        command = [PROGRAM, *arguments]
        streams = [stream.fileno() for stream in (source, output, errors)]
        process = _start(command, env, ROOT, streams)
        try:
            code = process.wait(timeout_s)
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(command, code, output.read(), errors.read())


def start(*arguments: str, env: Mapping[str, str]) -> "PipedProcess | subprocess.Popen[bytes]":
    """Start the program with pipes for its output."""
    command = [PROGRAM, *arguments]
    if _IS_TEST:
        return PipedProcess(command, env)
    return subprocess.Popen(
        command,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )


class PipedProcess:
    """A process that was forked from the loaded program, with the members of Popen that tests need.

    As a context, it waits for the end of the process.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        pipes = [os.pipe(), os.pipe()]
        self.stdout, self.stderr = (os.fdopen(end, "rb") for end, _ in pipes)
        with Path(os.devnull).open("rb") as nothing:
            self._process = _start(command, env, ROOT, [nothing.fileno(), *(end for _, end in pipes)])
        for _, end in pipes:
            os.close(end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stdout.close()
        self.stderr.close()
        self.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    def poll(self) -> int | None:
        """Return the exit code of a process that has ended, or None if it is running."""
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the process to end, and return its exit code."""
        return self._process.wait(timeout)

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Wait for the process to end, and return the rest of both outputs."""
        with self.stdout, self.stderr, ThreadPoolExecutor(2) as readers:
            rests = [readers.submit(stream.read) for stream in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()  # or its outputs would not end
                raise
            return rests[0].result(), rests[1].result()

    def send_signal(self, number: int) -> None:
        """Send the process a signal, if it is running."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask the process to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()


def _start(
    command: Sequence[str], env: Mapping[str, str], directory: Path, streams: Sequence[int]
) -> StartedProcess | subprocess.Popen[bytes]:
    """Start the program with its streams: by a fork in tests, and as its users do in benchmarks."""
    if _IS_TEST:
        return prepared_program.start(command, env, directory, streams)
    stdin, stdout, stderr = streams
    return subprocess.Popen(command, env=dict(env), cwd=directory, stdin=stdin, stdout=stdout, stderr=stderr)


class ServiceProcess:
    """One process of the service, with only its command line and environment, which can be started again.

    Args:
        arguments: The arguments of `service-server`.
        is_ready: Returns whether the process is working.
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
        self._process: StartedProcess | subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> str:
        """The process's output since its last start."""
        return self._log.read_bytes()[self._log_begin :].decode(errors="replace")

    def launch(self) -> None:
        """Start the process without waiting for it."""
        with self._log.open("ab") as log, Path(os.devnull).open("rb") as nothing:
            self._log_begin = log.tell()
            streams = [stream.fileno() for stream in (nothing, log, log)]
            command, directory = [PROGRAM, *self._arguments], self._log.parent
            self._process = _start(command, self._environment, directory, streams)

    def wait_until_ready(self) -> None:
        begin = time.monotonic()
        while not self._is_ready(self):
            waited_s = time.monotonic() - begin
            if not self.is_alive or waited_s > START_TIMEOUT_S:
                raise AssertionError(f"{self._arguments} did not start:\n{self.output[-4_000:]}")
            pause(waited_s)

    def start(self) -> None:
        self.launch()
        self.wait_until_ready()

    def kill(self) -> None:
        """Kill the process, as a power failure would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self) -> None:
        """Ask the process to stop, as a process manager does."""
        self.send(signal.SIGTERM)

    def freeze(self) -> None:
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Wait for the process to end, and return its exit code."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def stop(self) -> None:
        """Stop the process cleanly, or kill it if it does not stop."""
        if not self.is_alive:
            return
        self.thaw()
        self.terminate()
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self.kill()

    def send(self, number: int) -> None:
        """Send the process a signal, if it is alive."""
        if self.is_alive:
            os.kill(self.pid, number)


def answers_at(url: str) -> Callable[[ServiceProcess], bool]:
    """Return a check whether an API responds at a URL."""

    def ask(_process: ServiceProcess) -> bool:
        try:
            return httpx.get(f"{url}/api/health", verify=NO_TLS, timeout=10).is_success
        except httpx.TransportError:
            return False

    return ask


def is_ready(url: str) -> bool:
    """Return whether the API at a URL reaches all of its dependencies."""
    return httpx.get(f"{url}/health/ready", verify=NO_TLS, timeout=30).json()["status"] == "ready"


def says(text: str) -> Callable[[ServiceProcess], bool]:
    """Return a check whether a process has written a text."""
    return lambda process: text in process.output


@dataclass(frozen=True)
class Server:
    """A running `service-server serve`."""

    process: ServiceProcess
    url: str

    @property
    def http(self) -> httpx.Client:
        """A client of the server."""
        return httpx.Client(base_url=self.url, verify=NO_TLS, timeout=120)

    def upload(self, code: str, language: str = "python", **fields: Any) -> dict[str, Any]:
        """Upload a program and return its job."""
        body = {"project": "tests", "language": language, "code": code, **fields}
        return self._json("POST", "/api/upload", json=body)

    def execute(self, job_id: str, wait_s: float = 0, **body: Any) -> dict[str, Any]:
        """Execute a job and return it."""
        return self._json("POST", f"/api/execute/{job_id}?wait={wait_s}", json=body)

    def job(self, job_id: str, wait_s: float = 0) -> dict[str, Any]:
        """Return a job, once it has ended or the time has passed."""
        self._json("GET", f"/api/jobs/{job_id}/status?wait={wait_s}")
        return self._json("GET", f"/api/jobs/{job_id}")

    def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        with self.http as http:
            response = http.request(method, path, **request)
        assert response.is_success, response.text
        return response.json()

    @property
    def output(self) -> str:
        """The server's log and other output."""
        return self.process.output

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the server a signal and return its exit code."""
        self.process.send(number)
        return self.process.wait()


@contextmanager
def served(env: Mapping[str, str], port: int = 0) -> Iterator[Server]:
    """Serve on a port, by default a free one; kill the server at the end."""
    if _IS_TEST:
        make_tables(Path(env["SERVICE_SERVER_DATA_DIR"]))
    with TemporaryDirectory(prefix="service-server-log-") as directory:
        log = Path(directory, "serve.log")
        process = ServiceProcess(["serve", "--port", str(port)], env, log, says("listens on"))
        try:
            process.start()
            yield Server(process, re.search(r"http://127\.0\.0\.1:\d+", process.output)[0])
        finally:
            process.kill()


def children(pid: int) -> list[psutil.Process]:
    """Return the child processes of a process."""
    return psutil.Process(pid).children()
