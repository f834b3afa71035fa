"""The program `service-server` in processes of its own."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

PROGRAM = str(Path(sys.executable).with_name("service-server"))
ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 30
_OURS = ("SERVICE_SERVER_", "SERVER_", "AWS_", "EXECUTION_ENGINE_", "ENVIRONMENT", "DEBUG")


def environment(data_dir: Path, **settings: object) -> dict[str, str]:
    """Return this process's environment with these settings and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    chosen = {name: str(value) for name, value in settings.items()}
    return {**inherited, "SERVICE_SERVER_DATA_DIR": str(data_dir), **chosen}


def run(
    *arguments: str, env: Mapping[str, str], stdin: bytes | None = None, timeout_s: float = 60
) -> subprocess.CompletedProcess[bytes]:
    """Run the program to its end."""
    source: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    return subprocess.run(
        [PROGRAM, *arguments],
        env=env,
        capture_output=True,
        check=False,
        timeout=timeout_s,
        cwd=ROOT,
        **source,
    )


def start(*arguments: str, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the program, with pipes from its output."""
    return subprocess.Popen(
        [PROGRAM, *arguments],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )


@dataclass
class Server:
    """A running `service-server serve`."""

    process: subprocess.Popen[bytes]
    url: str
    said: list[str] = field(default_factory=list)

    @property
    def http(self) -> httpx.Client:
        """A client of the server."""
        return httpx.Client(base_url=self.url, timeout=60)

    def upload(self, code: str, language: str = "python", **fields: Any) -> dict[str, Any]:
        """Upload a program and return its job."""
        body = {"project": "tests", "language": language, "code": code, **fields}
        return self._json("POST", "/api/upload", json=body)

    def execute(self, job_id: str, wait_s: float = 0, **body: Any) -> dict[str, Any]:
        """Execute a job and return it."""
        return self._json("POST", f"/api/execute/{job_id}?wait={wait_s}", json=body)

    def job(self, job_id: str, wait_s: float = 0) -> dict[str, Any]:
        """Return a job, once it has ended or the time is over."""
        self._json("GET", f"/api/jobs/{job_id}/status?wait={wait_s}")
        return self._json("GET", f"/api/jobs/{job_id}")

    def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        with self.http as http:
            response = http.request(method, path, **request)
        assert response.is_success, response.text
        return response.json()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the server a signal and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_TIMEOUT_S)


@contextmanager
def served(env: Mapping[str, str], port: int = 0) -> Iterator[Server]:
    """Serve on a port, a free one if none is given; kill all of the server's processes in the end."""
    process = subprocess.Popen(
        [PROGRAM, "serve", "--port", str(port)],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
    )
    said: list[str] = []
    listens = threading.Event()
    reader = threading.Thread(target=_read, args=(process, said, listens))
    reader.start()
    try:
        assert listens.wait(START_TIMEOUT_S), "".join(said)
        urls = [match[0] for line in said if (match := re.search(r"http://127\.0\.0\.1:\d+", line))]
        assert urls, "".join(said)
        yield Server(process, urls[0], said)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join()
        process.stdout.close()


def _read(process: subprocess.Popen[bytes], said: list[str], listens: threading.Event) -> None:
    for line in process.stdout:
        said.append(line.decode())
        if "listens on" in said[-1]:
            listens.set()
    listens.set()  # it ended instead


def children(pid: int) -> list[psutil.Process]:
    """Return the processes that a process has started."""
    return psutil.Process(pid).children()
