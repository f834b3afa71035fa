"""How much more processor time an upload takes with metrics than without, and how long a scrape takes.

`python -m tests.benchmarks.bench_metrics [ROUNDS]`; the default is 300 rounds of ten uploads for each of the
two. Ends with 1 if the figure misses its target.

One service in a process of its own, embedded on SQLite, measures and does not in turns, each first in every
other round. Its processor time counts, and of the rounds the fastest quarter: other work of the machine slows
some of them down by much more than is looked for.
"""

import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from ctypes import c_bool
from dataclasses import dataclass
from multiprocessing.sharedctypes import RawValue
from pathlib import Path

from adapters.prometheus.measurements import PrometheusMeasurements
from application.metrics import Counter, Histogram
from application.ports.measurements import Exposition, Measurements, Sample
from domain.limits import STANDARD_LIMITS
from entrypoints.container import build_container
from entrypoints.http.app import create_app
from entrypoints.http.server import HttpServer
from tests.benchmarks.bench_api import PROGRAM, Caller
from tests.support.scripted_engine import ScriptedEngine
from tests.support.settings import settings_of

ROUNDS = 300
# How many times as much processor time an upload may take.
TARGET = 1.03
_UPLOADS = 10
_SCRAPES = 20


class _Switched(Measurements):
    """Metrics that are kept while a switch is on."""

    def __init__(self, is_on: c_bool) -> None:
        self._is_on = is_on
        self._kept = PrometheusMeasurements("0")

    def count(self, metric: Counter, *labels: str, by: float = 1.0) -> None:
        if self._is_on.value:
            self._kept.count(metric, *labels, by=by)

    def observe(self, metric: Histogram, value: float, *labels: str) -> None:
        if self._is_on.value:
            self._kept.observe(metric, value, *labels)

    def watch(self, read: Callable[[], Iterable[Sample]]) -> None:
        self._kept.watch(read)

    def expose(self, *, as_openmetrics: bool = False) -> Exposition:
        return self._kept.expose(as_openmetrics=as_openmetrics)


@dataclass(frozen=True)
class _Server:
    """A service in a process of its own, and the switch of its metrics."""

    pid: int
    call: Caller
    is_on: c_bool

    def upload(self, *, measured: bool) -> float:
        """Upload programs; return the seconds of processor time that each took of the server."""
        self.is_on.value = measured
        begin = self.processor_s()
        for _ in range(_UPLOADS):
            self.call("POST", "/api/upload", PROGRAM)
        return (self.processor_s() - begin) / _UPLOADS

    def processor_s(self) -> float:
        """Return the processor time of its process, to the nanosecond (clock_getcpuclockid(3))."""
        return time.clock_gettime((~self.pid << 3) | 2)


def main(rounds: int = ROUNDS) -> list[str]:
    """Print the figures; return the names of those that missed their targets."""
    with tempfile.TemporaryDirectory() as name, _served(Path(name) / "service") as server:
        for _ in range(rounds // 10):
            server.upload(measured=True)
        times: dict[bool, list[float]] = {True: [], False: []}
        for number in range(rounds):
            for measured in (number % 2 == 0, number % 2 == 1):
                times[measured].append(server.upload(measured=measured))
        with_metrics, without = (1e6 * _fastest(times[measured]) for measured in (True, False))
        ratio = with_metrics / without
        print(f"an upload, processor time: {without:.0f} us without, {with_metrics:.0f} us with metrics")
        print(f"ratio {ratio:.4f}, at most {TARGET:.2f}")
        begin = server.processor_s()
        for _ in range(_SCRAPES):
            text = server.call("GET", "/metrics")
        took_ms = (server.processor_s() - begin) / _SCRAPES * 1_000
        series = sum(not line.startswith(b"#") for line in text.splitlines())
        print(f"a scrape: {took_ms:.1f} ms of processor time, {series} series, {len(text)} bytes")
    return ["upload"] if ratio > TARGET else []


def _fastest(times: list[float]) -> float:
    """Return the mean of the fastest quarter."""
    return statistics.fmean(sorted(times)[: max(len(times) // 4, 1)])


@contextmanager
def _served(directory: Path) -> Iterator[_Server]:
    directory.mkdir()
    is_on = RawValue(c_bool, 1)
    listener = socket.create_server(("127.0.0.1", 0))
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(directory, listener, is_on))
    process.start()
    port = listener.getsockname()[1]
    # It is the other process's from here on, so that a call of one that has ended ends too.
    listener.close()
    try:
        assert process.pid is not None
        yield _Server(process.pid, Caller(port), is_on)
    finally:
        process.terminate()
        process.join()


def _serve(directory: Path, listener: socket.socket, is_on: c_bool) -> None:
    settings = settings_of(data_dir=directory, sqlite_synchronous="normal")
    container = build_container(settings, STANDARD_LIMITS)
    container.engine.override(ScriptedEngine())
    container.measurements.override(_Switched(is_on))
    background = container.background_services()
    background.start()
    try:
        app = create_app(settings, STANDARD_LIMITS, container.ports(), container.services())
        HttpServer(app).run([listener])
    finally:
        background.stop()


if __name__ == "__main__":
    if too_slow := main(*(int(argument) for argument in sys.argv[1:])):
        sys.exit(f"missed: {', '.join(too_slow)}")
