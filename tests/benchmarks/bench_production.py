"""The service as in production, compared with a handler with one INSERT and COMMIT on the same MariaDB.

`python -m tests.benchmarks.bench_production [SECONDS]`; the default is 3 seconds for each figure. Everything
shares this host: database, Redis, object store, runners, the service's processes and the callers. The exit
code is 1 if a figure misses its target.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.benchmarks.bench_api import CASES, Caller, Case, _measure
from tests.benchmarks.production_servers import BRIEF_MS, SLOW_MS
from tests.support.cluster import Cluster, Servers, running_servers
from tests.support.ports import free_port
from tests.support.processes import eventually
from tests.support.runner import Exchange, runs
from tests.support.service import ServiceProcess

SECONDS = 3.0
CALLERS = 12
# Before the measurement: connections are opened, code is slower when it runs for the first time, and
# processes that compete for a processor move to another one only once a second.
WARM_UP_S = 3.0
RUN = {"project": "bench", "code": "print(1)", "language": "python", "execute": True}
PATIENT_CALLERS = 64
# The minimum throughput of two of each, relative to one of each: when processors limit it, and when only the
# number of programs that a worker runs at a time limits it.
SPEED_UP = 1.6
SPEED_UP_OF_WAITING = 1.8


@dataclass(frozen=True)
class Rate:
    """A number per second, and the share of all processors that was used meanwhile."""

    per_s: float
    cpu: float


@dataclass(frozen=True)
class Report:
    """Measures rates relative to the yardstick, and prints figures with their targets.

    Attributes:
        bare: The port of the yardstick, which is measured before and after each rate, because hosts vary.
        missed: The names of the figures that missed their targets.
    """

    bare: int
    seconds: float
    missed: list[str] = field(default_factory=list)

    def rate(
        self, name: str, ports: Sequence[int], case: Case, least: float | None, callers: int = CALLERS
    ) -> "Rate":
        """Print and return a rate, with its ratio to the yardstick."""
        before = self._bare_rate()
        _measure_all(ports, case, callers, WARM_UP_S)
        psutil.cpu_percent()  # the next call covers the time from here
        times = _measure_all(ports, case, callers, self.seconds)
        rate = Rate(callers * len(ports) / statistics.fmean(times), psutil.cpu_percent() / 100)
        bare = (before + self._bare_rate()) / 2
        cuts = [1_000 * cut for cut in statistics.quantiles(times, n=100)]
        figures = f"{rate.per_s:6.0f}/s of {bare:5.0f}  p50 {cuts[49]:6.1f} ms  p99 {cuts[98]:6.1f} ms"
        ratio, target = rate.per_s / bare, "" if least is None else f">= {least:.3f}"
        self._line(name, figures, f"{ratio:.3f}", target, least is None or ratio >= least)
        return rate

    def _bare_rate(self) -> float:
        return CALLERS / statistics.fmean(_measure(self.bare, _insert, CALLERS, self.seconds / 2))

    def figure(self, name: str, value: float, unit: str, most: float) -> None:
        """Print a figure that must not exceed its target."""
        self._line(name, "", f"{value:.1f} {unit}", f"<= {most:g}", value <= most)

    def ratio(self, name: str, figures: str, value: float, least: float) -> None:
        """Print a ratio that must reach its target."""
        self._line(name, figures, f"{value:.2f}", f">= {least:.2f}", value >= least)

    def _line(self, name: str, figures: str, value: str, target: str, is_reached: bool) -> None:  # noqa: FBT001
        if not is_reached:
            self.missed.append(name)
        print(f"{name:34}{figures:46}{value:>10}  {target:9} {'' if is_reached else 'MISSED'}", flush=True)


def main(seconds: float = SECONDS) -> Sequence[str]:
    """Measure everything once and print it; return the names of the figures that missed their targets."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "mariadb").mkdir()
        with (
            running_servers(directory / "mariadb") as servers,
            outside() as addresses,
            _bare(servers) as bare,
        ):
            report = Report(bare, seconds)
            _requests(report, servers, directory, addresses)
            _jobs(report, servers, directory, addresses)
            _idle(report, servers, directory)
            return report.missed


def _requests(report: Report, servers: Servers, directory: Path, addresses: Mapping[str, str]) -> None:
    with Cluster(directory / "requests", servers, **addresses) as cluster:
        cluster.start(apis=1, workers=0)
        ports = ports_of(cluster)
        report.rate("upload, code in S3", ports, CASES["upload"], 1 / 6)
        report.rate("execute", ports, CASES["execute"], 1 / 3)
        report.rate("status", ports, CASES["status"], 1 / 2)
        report.rate("list of 100", ports, CASES["list of 100"], None)
    with Cluster(directory / "files", servers, 1, **addresses, AWS_CODE_BUCKET="") as cluster:
        cluster.start(apis=1, workers=0)
        report.rate("upload, code in files", ports_of(cluster), CASES["upload"], 1 / 3)


def _jobs(report: Report, servers: Servers, directory: Path, addresses: Mapping[str, str]) -> None:
    case = CASES["upload to result"]
    with Cluster(directory / "jobs", servers, 2, **addresses) as cluster:
        cluster.start(apis=1, workers=1)
        report.rate("... by one caller", ports_of(cluster), case, None, callers=1)
        one = report.rate("a job from upload to end", ports_of(cluster), case, 1 / 8)
        cluster.start(apis=1, workers=1)
        two = report.rate("... through two of each", ports_of(cluster), case, None)
        # The processors that one of each leaves idle limit the throughput of two of each.
        figures = f"of the machine's CPU one used {one.cpu:.0%}, two {two.cpu:.0%}"
        report.ratio("two of each, beside one", figures, two.per_s / one.per_s, min(SPEED_UP, 1 / one.cpu))
    threads = {"SERVICE_SERVER_WORKER_THREADS": "2"}
    with Cluster(directory / "waiting", servers, 5, **threads, **addresses) as cluster:
        cluster.start(apis=1, workers=1)
        one = report.rate("a job of 50 ms, two at a time", ports_of(cluster), _run_briefly, None)
        cluster.start(apis=1, workers=1)
        two = report.rate("... through two of each", ports_of(cluster), _run_briefly, None)
        report.ratio("two of each, beside one", "", two.per_s / one.per_s, SPEED_UP_OF_WAITING)
    threads = {"SERVICE_SERVER_WORKER_THREADS": str(PATIENT_CALLERS)}
    with Cluster(directory / "patient", servers, 3, **threads, **addresses) as cluster:
        cluster.start(apis=1, workers=1)
        _patience(report, ports_of(cluster)[0])


def _patience(report: Report, port: int) -> None:
    """Have many callers wait for an engine that takes two seconds, and request the health meanwhile."""
    body = RUN | {"timeout_ms": SLOW_MS}
    with ThreadPoolExecutor(PATIENT_CALLERS) as pool:
        asked = [pool.submit(_run_slowly, port, body) for _ in range(2 * PATIENT_CALLERS)]
        call = Caller(port)
        times = []
        while not all(one.done() for one in asked):
            begin = time.perf_counter()
            call("GET", "/api/health")
            times.append(1_000 * (time.perf_counter() - begin))
            time.sleep(0.01)
    failed = [one for one in asked if one.exception() is not None]
    report.figure(f"{PATIENT_CALLERS} callers, engine of 2 s: not 200", len(failed), "", 0)
    report.figure("... and p99 of the health", statistics.quantiles(times, n=100)[98], "ms", 50)


def _run_briefly(call: Caller) -> Callable[[], object]:
    return lambda: call("POST", "/api/upload?wait=30", RUN | {"timeout_ms": BRIEF_MS})


def _run_slowly(port: int, body: object) -> None:
    Caller(port)("POST", "/api/upload?wait=30", body)


def _idle(report: Report, servers: Servers, directory: Path) -> None:
    """Measure the delay until an engine gets an execution, and the processor time of an idle worker."""
    heard: dict[str, float] = {}
    answer = runs()

    async def hear(exchange: Exchange) -> None:
        heard[exchange.params["job_id"]] = time.monotonic()
        await answer(exchange)

    servers.runner.behaviour = hear
    with Cluster(directory / "idle", servers, 4) as cluster:
        cluster.start(apis=1, workers=1)
        time.sleep(2)
        report.figure("CPU of an idle worker", _cpu_percent(cluster.workers[0], 3), "%", 8)
        call = Caller(ports_of(cluster)[0])
        waits = [_until_heard(call, heard) for _ in range(50)]
        report.figure("execute to the engine's start, p50", statistics.median(waits), "ms", 5)
        report.figure("... p90", statistics.quantiles(waits, n=10)[-1], "ms", 10)


def _until_heard(call: Caller, heard: dict[str, float]) -> float:
    """Return the time from the execute request until the engine starts, in milliseconds."""
    job_id = call.job("POST", "/api/upload", RUN | {"execute": False})
    time.sleep(0.05)
    begin = time.monotonic()
    call("POST", f"/api/execute/{job_id}")
    if not eventually(lambda: job_id in heard):
        raise RuntimeError("the engine heard of nothing")
    return 1_000 * (heard[job_id] - begin)


def _cpu_percent(process: ServiceProcess, seconds: float) -> float:
    return psutil.Process(process.pid).cpu_percent(seconds)


def _measure_all(ports: Sequence[int], case: Case, callers: int, seconds: float) -> list[float]:
    """Call each of the ports with several callers; return the duration of each call."""
    with ThreadPoolExecutor(len(ports)) as pool:
        lists = pool.map(lambda port: _measure(port, case, callers, seconds), ports)
        return [took for times in lists for took in times]


def _insert(call: Caller) -> Callable[[], object]:
    return lambda: call("POST", "/insert")


def ports_of(cluster: Cluster) -> list[int]:
    return [int(url.rpartition(":")[2]) for url in cluster.urls]


@contextmanager
def outside() -> Iterator[Mapping[str, str]]:
    """Run the object store and the runners; yield the settings with their URLs."""
    store, runner = free_port(), free_port()
    with _program("tests.benchmarks.production_servers", store, runner):
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store}",
            "EXECUTION_ENGINE_BASE_URL": f"http://127.0.0.1:{runner}",
        }


@contextmanager
def _bare(servers: Servers) -> Iterator[int]:
    """Serve the yardstick."""
    port = free_port()
    url = servers.database.create_schema("bare").render_as_string(hide_password=False)
    with _program("tests.benchmarks.bare_handler", url, port):
        yield port


@contextmanager
def _program(module: str, *arguments: object) -> Iterator[None]:
    """Run a server while the context lasts, once it accepts connections."""
    process = subprocess.Popen([sys.executable, "-m", module, *map(str, arguments)])
    try:
        port = int(str(arguments[-1]))
        if not eventually(lambda: process.poll() is not None or _listens(port), 20):
            raise RuntimeError(f"{module} does not listen")
        yield
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    try:
        Caller(port)
    except ConnectionRefusedError:
        return False
    return True


if __name__ == "__main__":
    if missed := main(*map(float, sys.argv[1:2])):
        sys.exit(f"missed: {', '.join(missed)}")
