"""The counts behind the time of a job: statements, commits, Redis commands, processor time, context switches.

`python -m tests.benchmarks.bench_counts [JOBS]`; the default is 400 jobs per row. Unlike times, counts hardly
depend on the host or its other load, so they can be compared between commits.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import redis
import sqlalchemy as sa

from tests.benchmarks.bench_api import Caller
from tests.benchmarks.bench_production import RUN, outside, ports_of
from tests.support import service
from tests.support.cluster import Cluster, running_servers
from tests.support.processes import eventually

JOBS = 400
WARM_UP = 60
CALLERS = 16
_OTHER_ROUND_TRIPS = ("Com_commit", "Com_begin", "Com_rollback")
_STATEMENTS = ("Com_select", "Com_insert", "Com_update", "Com_delete")
_ENDED = (b"SUCCESS", b"FAILED", b"TIMEOUT", b"CANCELLED")


Run = Callable[[Caller], None]


@dataclass(frozen=True)
class Counts:
    """Sums since the start of the processes. `cpu_ms` and `switches` are by process name.

    Attributes:
        round_trips: Statements, and the starts and ends of transactions.
    """

    statements: int
    round_trips: int
    commits: int
    redis: int
    cpu_ms: Mapping[str, float]
    switches: Mapping[str, int]


class Counted:
    """Reads the counts of a database, a Redis, and processes."""

    def __init__(
        self,
        processes: Mapping[str, int],
        database: sa.Engine | None = None,
        redis_url: str | None = None,
    ) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in processes.items()}
        self._database = database
        self._redis = None if redis_url is None else redis.Redis.from_url(redis_url)

    def now(self) -> Counts:
        """Return the current counts."""
        status = self._status()
        return Counts(
            statements=sum(status.get(name, 0) for name in _STATEMENTS),
            round_trips=sum(status.get(name, 0) for name in (*_STATEMENTS, *_OTHER_ROUND_TRIPS)),
            commits=status.get("Com_commit", 0),
            redis=self._redis_commands(),
            cpu_ms={name: _cpu_ms(process) for name, process in self._processes.items()},
            switches={name: _switches(process.pid) for name, process in self._processes.items()},
        )

    def _status(self) -> Mapping[str, int]:
        if self._database is None:
            return {}
        with self._database.connect() as connection:
            return {
                name: int(value)
                for name, value in connection.execute(sa.text("SHOW GLOBAL STATUS LIKE 'Com\\_%'"))
            }

    def _redis_commands(self) -> int:
        return 0 if self._redis is None else self._redis.info("stats")["total_commands_processed"]


def main(jobs: int = JOBS) -> None:
    """Count everything once, and print the counts per job."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        _embedded(directory, jobs)
        (directory / "mariadb").mkdir()
        with (
            running_servers(directory / "mariadb") as servers,
            outside() as addresses,
            Cluster(directory / "counted", servers, 1, **addresses) as cluster,
        ):
            cluster.start(apis=1, workers=1)
            counted = Counted(
                {
                    "serve": cluster.apis[0].pid,
                    "worker": cluster.workers[0].pid,
                    "database": servers.database.pid,
                },
                cluster.database,
                servers.redis.url,
            )
            (port,) = ports_of(cluster)
            for title, run in (("upload, execute and wait", _run), ("upload, execute, polling", _poll)):
                for callers in (1, CALLERS):
                    _report(f"production: {title}, {callers} callers", counted, port, run, callers, jobs)


def _embedded(directory: Path, jobs: int) -> None:
    env = service.environment(directory / "data", SERVICE_SERVER_LOG_LEVEL="WARNING")
    with service.served(env) as server:
        port = int(server.url.rpartition(":")[2])
        _run_all(port, _run, 1, 1)
        supervisor = min(service.children(server.process.pid), key=psutil.Process.create_time)
        processes = {"serve": server.process.pid, "supervisor": supervisor.pid}
        for callers in (1, CALLERS):
            _report(f"embedded, {callers} callers", Counted(processes), port, _run, callers, jobs)


def _report(title: str, counted: Counted, port: int, run: Run, callers: int, jobs: int) -> None:
    _run_all(port, run, callers, WARM_UP)
    before = counted.now()
    done = _run_all(port, run, callers, jobs)
    after = counted.now()
    print(f"{title} ({done} jobs), by the job:", flush=True)
    if after.commits:
        print(
            f"    {(after.statements - before.statements) / done:6.1f} statements"
            f"  {(after.commits - before.commits) / done:6.1f} commits"
            f"  {(after.round_trips - before.round_trips) / done:6.1f} round trips"
            f"  {(after.redis - before.redis) / done:6.1f} Redis commands"
        )
    for name in after.cpu_ms:
        print(
            f"    {name:14} {(after.cpu_ms[name] - before.cpu_ms[name]) / done:6.2f} ms of processor time"
            f"  {(after.switches[name] - before.switches[name]) / done:6.1f} context switches"
        )


def _run_all(port: int, run: Run, callers: int, jobs: int) -> int:
    share = -(-jobs // callers)

    def call() -> None:
        caller = Caller(port)
        for _ in range(share):
            run(caller)

    with ThreadPoolExecutor(callers) as pool:
        for asked in [pool.submit(call) for _ in range(callers)]:
            asked.result()
    return share * callers


def _run(call: Caller) -> None:
    call("POST", "/api/upload?wait=30", RUN)


def _poll(call: Caller) -> None:
    job_id = call.job("POST", "/api/upload", RUN | {"execute": False})
    call("POST", f"/api/execute/{job_id}")
    if not eventually(lambda: any(word in call("GET", f"/api/jobs/{job_id}/status") for word in _ENDED)):
        raise RuntimeError(f"{job_id} does not end")


def _cpu_ms(process: psutil.Process) -> float:
    times = process.cpu_times()
    return 1_000 * (times.user + times.system)


def _switches(pid: int) -> int:
    """Return the context switches of a process's live threads, voluntary or not."""
    return sum(_thread_switches(thread) for thread in Path(f"/proc/{pid}/task").iterdir())


def _thread_switches(thread: Path) -> int:
    try:
        lines = (thread / "status").read_text().splitlines()
    except OSError:  # the thread has ended meanwhile
        return 0
    return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
