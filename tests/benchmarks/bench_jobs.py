"""What a job costs from its upload to its end, embedded, beside the bare child process that it is about.

`python -m tests.benchmarks.bench_jobs [SECONDS]`: for so long 16 callers keep the server busy, 20 by default.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

from tests.support import service
from tests.support.processes import memory_kb

CODE = "print('hello')"
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
WARM_UP = 20
RUNS = 200
CALLERS = 16
SECONDS = 20.0


def main(seconds: float = SECONDS) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as directory:
        child = _times(lambda: _run_child(directory))
        env = service.environment(Path(directory) / "data", SERVICE_SERVER_LOG_LEVEL="WARNING")
        begin = time.perf_counter()
        with service.served(env) as server:
            print(
                f"start: {time.perf_counter() - begin:.2f} s, {memory_kb(server.process.pid) / 1024:.0f} MiB"
            )
            report_one_caller(server, child)
            report_many_callers(server, seconds)
            print(f"memory afterwards: {_memory(server)}")


def report_one_caller(server: service.Server, child: Sequence[float]) -> None:
    """Print what one job after the other takes, and how much of that the program itself."""
    own: list[float] = []
    with server.http as http:
        whole = _times(lambda: own.append(_run_job(http)["data"]["result"]["resource"]["execution_time_ms"]))
    gateway = [total - program for total, program in zip(whole, own[WARM_UP:], strict=True)]
    print(f"bare child process          {_figures(child)}")
    print(f"upload to SUCCESS           {_figures(whole)}")
    print(f"  of which not the program  {_figures(gateway)}")
    print(f"ratio of the medians        {statistics.median(whole) / statistics.median(child):.2f}")


def report_many_callers(server: service.Server, seconds: float) -> None:
    """Print what callers at once get, and whether every job ran once and ended well."""
    jobs: list[str] = []
    errors: list[str] = []
    deadline = time.monotonic() + seconds

    def call() -> None:
        with server.http as http:
            while time.monotonic() < deadline:
                try:
                    jobs.append(_run_job(http)["job_id"])
                except (httpx.HTTPError, KeyError) as error:
                    errors.append(repr(error))

    callers = [threading.Thread(target=call) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    with server.http as http:
        ended = [http.get(f"/api/jobs/{job_id}").json() for job_id in jobs]
    statuses = Counter(job["status"] for job in ended)
    print(f"{CALLERS} callers for {seconds:g} s: {len(jobs)} jobs, {len(jobs) / seconds:.0f} a second")
    print(f"  errors {len(errors)}, lost {len(jobs) - statuses['SUCCESS']}", end=", ")
    print(f"run twice {sum(len(job['executions']) > 1 for job in ended)}")
    if errors:
        print(f"  the first error: {errors[0]}")


def _run_child(directory: str) -> None:
    python = shutil.which("python3", path=SYSTEM_PATH)
    subprocess.run([python, "-s", "-c", CODE], check=True, cwd=directory, env={}, stdout=subprocess.PIPE)


def _run_job(http: httpx.Client) -> dict:
    body = {"project": "bench", "language": "python", "code": CODE, "execute": True}
    response = http.post("/api/upload?wait=30", json=body)
    return response.raise_for_status().json()


def _memory(server: service.Server) -> str:
    return f"{memory_kb(server.process.pid) / 1024:.0f} MiB"


def _times(run: Callable[[], object]) -> list[float]:
    """Return how long each of many runs took, in milliseconds, after some that warm up."""
    times = []
    for number in range(WARM_UP + RUNS):
        begin = time.perf_counter()
        run()
        if number >= WARM_UP:
            times.append((time.perf_counter() - begin) * 1000)
    return times


def _figures(times: Sequence[float]) -> str:
    in_order = sorted(times)
    p95, p99 = (in_order[int(len(in_order) * share)] for share in (0.95, 0.99))
    return f"median {statistics.median(in_order):6.1f} ms   p95 {p95:6.1f}   p99 {p99:6.1f}"


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
