"""The request rate of the API, compared with a bare handler that inserts one row and commits.

`python -m tests.benchmarks.bench_api [CALLERS] [SECONDS]`; the default is 8 callers and 3 seconds each.
Servers run in separate processes, embedded on SQLite, with an engine that ends programs at once.
"""

import json
import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import sqlalchemy as sa
from litestar import Litestar

from adapters.sql.engine import create_engine
from domain.limits import STANDARD_LIMITS
from entrypoints.container import build_container
from entrypoints.http.app import create_app
from entrypoints.http.server import HttpServer
from entrypoints.http.site import Site
from tests.benchmarks import bare_handler
from tests.support.scripted_engine import ScriptedEngine
from tests.support.settings import settings_of

CALLERS = 8
SECONDS = 3.0
# Before the measurement: the server starts, and code is slower when it runs for the first time.
WARM_UP_S = 1.0
# Executions per caller; their jobs are uploaded before the measurement.
EXECUTIONS = 100
PROGRAM = {"project": "bench", "code": "print(1)", "language": "python"}


Case = Callable[["Caller"], Callable[[], object]]


class Caller:
    """A client with one connection and almost no overhead.

    Args:
        key: The API key that it sends, if any.
    """

    def __init__(self, port: int, key: str | None = None) -> None:
        self._headers = "Host: localhost\r\nContent-Type: application/json\r\n"
        if key is not None:
            self._headers += f"Authorization: Bearer {key}\r\n"
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")

    def __call__(self, method: str, path: str, body: object = None) -> bytes:
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\n{self._headers}"
        self._socket.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        status = self._file.readline()
        length = 0
        while (line := self._file.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        answer = self._file.read(length)
        if b" 200 " not in status:
            raise RuntimeError(answer)
        return answer

    def job(self, method: str, path: str, body: object = None) -> str:
        """Return the id of the job in a response."""
        return json.loads(self(method, path, body))["job_id"]


def _upload(call: Caller) -> None:
    call("POST", "/api/upload", PROGRAM)


def _run(call: Caller) -> None:
    call("POST", "/api/upload?wait=30", PROGRAM | {"execute": True})


def _list(call: Caller) -> None:
    call("GET", "/api/jobs?limit=100")


def _health(call: Caller) -> None:
    call("GET", "/api/health")


def _insert(call: Caller) -> None:
    call("POST", "/insert")


def _status(call: Caller) -> Callable[[], object]:
    job_id = call.job("POST", "/api/upload", PROGRAM)
    return lambda: call("GET", f"/api/jobs/{job_id}/status")


def _execute(call: Caller) -> Callable[[], object]:
    ids = iter([call.job("POST", "/api/upload", PROGRAM) for _ in range(EXECUTIONS)])
    return lambda: call("POST", f"/api/execute/{next(ids)}")


def _repeat(action: Callable[[Caller], object]) -> Case:
    return lambda call: lambda: action(call)


CASES = {
    "health": _repeat(_health),
    "upload": _repeat(_upload),
    "execute": _execute,
    "status": _status,
    "list of 100": _repeat(_list),
    "upload to result": _repeat(_run),
}


def main(callers: int = CALLERS, seconds: float = SECONDS) -> None:
    """Print a line for each case."""
    print(f"{callers} callers\n{'':18}{'per s':>8}{'ratio':>8}{'p50 ms':>9}{'p99 ms':>9}")
    with tempfile.TemporaryDirectory() as directory:
        with _served(_bare, Path(directory) / "bare") as port:
            bare = _report("bare insert", _warm(port, _repeat(_insert), callers, seconds), callers)
        with _served(_service, Path(directory) / "service") as port:
            for name, case in CASES.items():
                _report(name, _warm(port, case, callers, seconds), callers, bare)
            _report("... by one caller", _warm(port, _repeat(_run), 1, seconds), 1, bare)


def _warm(port: int, case: Case, callers: int, seconds: float) -> list[float]:
    _measure(port, case, callers, WARM_UP_S)
    return _measure(port, case, callers, seconds)


def _measure(port: int, case: Case, callers: int, seconds: float, key: str | None = None) -> list[float]:
    actions = [case(Caller(port, key)) for _ in range(callers)]
    with ThreadPoolExecutor(callers) as pool:
        deadline = time.perf_counter() + seconds
        return [took for times in pool.map(lambda act: _timed(act, deadline), actions) for took in times]


def _timed(act: Callable[[], object], deadline: float) -> list[float]:
    times = []
    while (begin := time.perf_counter()) < deadline:
        try:
            act()
        except StopIteration:
            break
        times.append(time.perf_counter() - begin)
    return times


def _report(name: str, times: list[float], callers: int, bare: float | None = None) -> float:
    rate = callers / statistics.fmean(times)
    cuts = [1_000 * cut for cut in statistics.quantiles(times, n=100)]
    print(f"{name:18}{rate:8.0f}{rate / (bare or rate):8.2f}{cuts[49]:9.2f}{cuts[98]:9.2f}")
    return rate


@contextmanager
def _served(build: Callable[[Path], AbstractContextManager[Litestar]], directory: Path) -> Iterator[int]:
    directory.mkdir()
    listener = socket.create_server(("127.0.0.1", 0))
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(build, directory, listener))
    process.start()
    try:
        yield listener.getsockname()[1]
    finally:
        process.terminate()
        process.join()
        listener.close()


def _serve(
    build: Callable[[Path], AbstractContextManager[Litestar]], directory: Path, listener: socket.socket
) -> None:
    with build(directory) as app:
        HttpServer(app).run([listener])


@contextmanager
def _service(directory: Path, **settings_given: object) -> Iterator[Litestar]:
    settings = settings_of(data_dir=directory, **settings_given)
    container = build_container(settings, STANDARD_LIMITS)
    container.engine.override(ScriptedEngine())
    background = container.background_services()
    background.start()
    try:
        services = container.services()
        yield create_app(settings, STANDARD_LIMITS, container.ports(), services, Site.of(settings, services))
    finally:
        background.stop()


@contextmanager
def _bare(directory: Path) -> Iterator[Litestar]:
    url = sa.URL.create("sqlite", database=str(directory / "bare.sqlite3"))
    app = bare_handler.build(create_engine(url))
    app.state.notifier = _Silent()
    yield app


class _Silent:
    """Shutdown hooks for an application that has nothing open."""

    def close(self) -> None:
        """Do nothing."""


if __name__ == "__main__":
    main(*(cast(argument) for cast, argument in zip((int, float), sys.argv[1:], strict=False)))
