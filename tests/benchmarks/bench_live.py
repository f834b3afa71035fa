"""The cost of open streams for uploads, and the delay of output and ends for their readers.

`python -m tests.benchmarks.bench_live [STREAMS]`; the default is 500. The first figures alternate between a
server with this many readers of a running program and without, under the same conditions. The readers run on
this host too. The other figures go through Redis, from a program in a worker process to a reader at an API
process.
"""

import json
import re
import selectors
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from tests.benchmarks.bench_api import PROGRAM, Caller
from tests.support.redis_server import redis_server
from tests.support.service import Server, environment, served, start
from tests.support.streams import open_streams

STREAMS = 500
_ROUNDS = 6
_SECONDS = 2.0
_LINES = 100
_RUNS = 40
_LINES_BEFORE = 10
_BETWEEN_LINES_S = 0.2
_TIME = re.compile(rb'"text":"([0-9.]+)')
_FOLLOWED = {
    "writes nothing": "import time; time.sleep(60)",
    "writes a line each second": "import time\nwhile True: print(time.time(), flush=True); time.sleep(1)",
}
_PRINTS = f"""
import time
for _ in range({_LINES}):
    print(time.time(), flush=True)
    time.sleep(0.02)
"""


def main(streams: int = STREAMS) -> None:
    """Print the figures."""
    _uploads_beside(streams)
    _print_to_readers(streams)
    _latencies()


def _uploads_beside(streams: int) -> None:
    with tempfile.TemporaryDirectory() as directory, served(environment(Path(directory))) as server:
        call = Caller(urlsplit(server.url).port or 0)
        for what, code in _FOLLOWED.items():
            with _running(call, code) as job_id:
                paths = [f"/api/jobs/{job_id}/output"] * streams
                alone, beside = [], []
                for _ in range(_ROUNDS):
                    alone.append(_uploads(call))
                    with open_streams(server.url, paths):
                        beside.append(_uploads(call))
            before, after = statistics.median(alone), statistics.median(beside)
            print(
                f"uploads per s: {before:.0f}; beside {streams} readers of a program that {what}: "
                f"{after:.0f}, {after / before:.2f} times"
            )


@contextmanager
def _running(call: Caller, code: str) -> Iterator[str]:
    job_id = call.job("POST", "/api/upload", PROGRAM | {"code": code, "execute": True, "timeout_ms": 60_000})
    yield job_id
    call("POST", f"/api/cancel/{job_id}")


def _uploads(call: Caller) -> float:
    begin = time.perf_counter()
    number = 0
    while time.perf_counter() - begin < _SECONDS:
        call("POST", "/api/upload", PROGRAM)
        number += 1
    return number / (time.perf_counter() - begin)


def _print_to_readers(readers: int) -> None:
    """Report the delay of a program's lines for all of its readers, and the server's cost per delivery."""
    with tempfile.TemporaryDirectory() as directory, served(environment(Path(directory))) as server:
        port = urlsplit(server.url).port or 0
        code = f"import time\nwhile True: print(time.time(), flush=True); time.sleep({_BETWEEN_LINES_S})"
        with (
            _running(Caller(port), code) as job_id,
            selectors.DefaultSelector() as selector,
            ExitStack() as stack,
        ):
            for _ in range(readers):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                connection.sendall(
                    f"GET /api/jobs/{job_id}/output HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
                )
                selector.register(connection, selectors.EVENT_READ)
            _deliveries(selector, readers * _LINES_BEFORE)
            process = psutil.Process(server.process.pid)
            before = sum(process.cpu_times()[:2])
            late = _deliveries(selector, readers * _LINES)
            cost_us = 1e6 * (sum(process.cpu_times()[:2]) - before) / len(late)
    _report(f"print to each of {readers} readers", late)
    print(f"processor time of a delivery: {cost_us:.0f} us")


def _deliveries(selector: selectors.BaseSelector, number: int) -> list[float]:
    """Return the delays of a number of lines, in milliseconds."""
    late: list[float] = []
    while len(late) < number:
        for key, _events in selector.select():
            data, now = key.fileobj.recv(65_536), time.time()
            late += [1000 * (now - float(text)) for text in _TIME.findall(data)]
    return late


def _latencies() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(_two_processes())
        _report("print to reader, through Redis", _print_to_reader(server))
        _report("end to the answer of ?wait", [_end_to_answer(server) for _ in range(_RUNS)])


@contextmanager
def _two_processes() -> Iterator[Server]:
    """Serve the API in one process and run programs in another, connected by Redis."""
    with redis_server() as redis, tempfile.TemporaryDirectory() as directory:
        settings = environment(Path(directory), SERVICE_SERVER_REDIS_URL=redis.url)
        with served(settings) as server:
            worker = start("worker", env=settings)
            try:
                server.job(server.upload("print(1)", execute=True)["job_id"], wait_s=30)
                yield server
            finally:
                worker.terminate()
                worker.communicate()


def _print_to_reader(server: Server) -> list[float]:
    job_id = server.upload(_PRINTS, execute=True)["job_id"]
    late = []
    with server.http as http, http.stream("GET", f"/api/jobs/{job_id}/output") as response:
        for line in response.iter_lines():
            now = time.time()
            if line.startswith("data: ") and '"text"' in line:
                late += [1000 * (now - float(text)) for text in json.loads(line[6:])["text"].split()]
    return late


def _end_to_answer(server: Server) -> float:
    """Return the milliseconds from the recorded end of the job to the response for a waiting caller."""
    with server.http as http:
        job = http.post("/api/upload?wait=30", json=PROGRAM | {"execute": True}).json()
    ended = datetime.fromisoformat(job["data"]["completed_at"])
    return 1000 * (datetime.now(UTC) - ended).total_seconds()


def _report(name: str, milliseconds: list[float]) -> None:
    ordered = sorted(milliseconds)
    median, high, highest = (ordered[int(part * len(ordered))] for part in (0.5, 0.95, 0.99))
    print(f"{name}: median {median:.1f} ms, p95 {high:.1f} ms, p99 {highest:.1f} ms, of {len(ordered)}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
