"""The cost of a job from upload to end, embedded, compared with a bare child process.

`python -m tests.benchmarks.bench_jobs [--seconds SECONDS]`: 16 callers keep the server busy for this long,
twice: with programs in sandboxes, and with programs outside them, which can record every start. The exit code
is 1 if a job was lost, ran twice, or did not succeed.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import httpx

from tests.support import service
from tests.support.processes import memory_kb

CODE = "print('hello')"
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
WARM_UP = 20
RUNS = 200
CALLERS = 16
SECONDS = 60.0
# Appends are atomic, so no line is lost or torn (POSIX.1-2017, write).
WITNESS = """import os
file = os.open({0!r}, os.O_WRONLY | os.O_APPEND)
os.write(file, b'{1}\\n')
print('{1}')
"""


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
            wrong = report_many_callers(server, seconds)
            print(f"memory afterwards: {_memory(server)}")
        wrong += report_starts(Path(directory), seconds)
    if wrong:
        sys.exit(f"{wrong} jobs did not go as they should")


def report_starts(directory: Path, seconds: float) -> int:
    """Print whether every program starts once, without sandboxes; return the number that do not."""
    starts = directory / "starts"
    starts.touch()
    env = service.environment(
        directory / "open", SERVICE_SERVER_SANDBOX="off", SERVICE_SERVER_LOG_LEVEL="ERROR"
    )
    with service.served(env) as server:
        return report_many_callers(server, seconds, starts)


def report_one_caller(server: service.Server, child: Sequence[float]) -> None:
    """Print the times of consecutive jobs, and the program's own share."""
    own: list[float] = []
    with server.http as http:
        whole = _times(lambda: own.append(_run_job(http)["data"]["result"]["resource"]["execution_time_ms"]))
    gateway = [total - program for total, program in zip(whole, own[WARM_UP:], strict=True)]
    print(f"bare child process          {_figures(child)}")
    print(f"upload to SUCCESS           {_figures(whole)}")
    print(f"  of which not the program  {_figures(gateway)}")
    print(f"ratio of the medians        {statistics.median(whole) / statistics.median(child):.2f}")


def report_many_callers(server: service.Server, seconds: float, starts: Path | None = None) -> int:
    """Print the rate of concurrent callers, and whether each job ran once and succeeded; return how many did
    not.

    Args:
        server: Runs the programs.
        seconds: The duration of the calls.
        starts: The file to which every program appends its own line when it starts, if it can.
    """
    outcomes: dict[str, str] = {}
    deadline = time.monotonic() + seconds

    def call() -> None:
        with server.http as http:
            while time.monotonic() < deadline:
                token = uuid4().hex
                outcomes[token] = _outcome(http, token, starts)

    callers = [threading.Thread(target=call) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    rate = len(outcomes) / seconds
    print(f"{CALLERS} callers for {seconds:g} s: {len(outcomes)} jobs, {rate:.0f} a second", end="")
    wrong = Counter(outcome for outcome in outcomes.values() if outcome != "SUCCESS")
    if starts is not None:
        wrong.update(_miscounted(outcomes, starts.read_text().split()))
    well = "each ended well" if starts is None else "each ended well and started once"
    print(f"; {dict(wrong) or well}")
    return wrong.total()


def _outcome(http: httpx.Client, token: str, starts: Path | None) -> str:
    """Run a program that prints its token; return the outcome in a word or two."""
    try:
        job = _run_job(http, f"print('{token}')" if starts is None else WITNESS.format(str(starts), token))
    except (httpx.HTTPError, ValueError) as error:
        return f"error {error!r}"
    is_right = job["status"] != "SUCCESS" or job["data"]["result"]["stdout"] == f"{token}\n"
    return job["status"] if is_right else "output of another"


def _miscounted(expected: Collection[str], started: Sequence[str]) -> Mapping[str, int]:
    times = Counter(started)
    wrong = {
        "lost": sum(times[token] == 0 for token in expected),
        "started twice": sum(count > 1 for count in times.values()),
        "started by nobody": len(times.keys() - set(expected)),
    }
    return {name: count for name, count in wrong.items() if count}


def _run_child(directory: str) -> None:
    python = shutil.which("python3", path=SYSTEM_PATH)
    subprocess.run([python, "-s", "-c", CODE], check=True, cwd=directory, env={}, stdout=subprocess.PIPE)


def _run_job(http: httpx.Client, code: str = CODE) -> dict:
    body = {"project": "bench", "language": "python", "code": code, "execute": True}
    response = http.post("/api/upload?wait=30", json=body)
    return response.raise_for_status().json()


def _memory(server: service.Server) -> str:
    return f"{memory_kb(server.process.pid) / 1024:.0f} MiB"


def _times(run: Callable[[], object]) -> list[float]:
    """Return the durations of many runs in milliseconds, after some warm-up runs."""
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
    parser = argparse.ArgumentParser(description="Measures jobs.")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    main(parser.parse_args().seconds)
