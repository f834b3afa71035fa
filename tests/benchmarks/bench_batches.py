"""The rate of jobs submitted in batches, compared with single uploads.

`python -m tests.benchmarks.bench_batches [--rounds ROUNDS]`: one caller submits the same jobs in both ways
alternately, each with different code; embedded on SQLite, and on MariaDB. The engine ends each program at
once. The exit code is 1 if a batch takes more than a twentieth of the time of single uploads.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.benchmarks.bench_api import Caller, _served, _service
from tests.support import mariadb
from tests.support.databases import migrated

JOBS = 1_000
UPLOADS = 200
ROUNDS = 5
LEAST_RATIO = 20.0


def main(rounds: int) -> bool:
    """Print a line for each database and kind of job; return whether all ratios were reached."""
    reached = True
    with tempfile.TemporaryDirectory() as directory, _on_mariadb() as on_server:
        kinds: tuple[tuple[str, dict[str, object]], ...] = (("sqlite", {}), ("mariadb", on_server))
        for name, settings in kinds:
            with _served(partial(_service, **settings), Path(directory) / name) as port:
                for executes in (False, True):
                    ratio = _report(f"{name}, {'executed' if executes else 'kept'}", port, rounds, executes)
                    reached = reached and ratio >= LEAST_RATIO
    return reached


def _report(name: str, port: int, rounds: int, executes: bool) -> float:  # noqa: FBT001 - a table's column
    call = Caller(port)
    single, batch = [], []
    for number in range(rounds + 1):
        job = partial(_job, number, executes)
        begin = time.perf_counter()
        for place in range(UPLOADS):
            call("POST", "/api/upload", job(place))
        uploaded = time.perf_counter()
        made = json.loads(call("POST", "/api/batches", {"jobs": [job(place) for place in range(JOBS)]}))
        submitted = time.perf_counter()
        while executes and _counts(call, made["batch_id"])["RUNNING"]:
            pass
        if number:  # the first round warms up
            single.append((uploaded - begin) * JOBS / UPLOADS)
            batch.append(submitted - uploaded)
    ratio = statistics.median(single) / statistics.median(batch)
    print(
        f"{name:20} {JOBS} uploads {statistics.median(single) * 1_000:8.0f} ms   "
        f"a batch {statistics.median(batch) * 1_000:6.0f} ms   ratio {ratio:5.1f}"
    )
    return ratio


def _counts(call: Caller, batch_id: str) -> dict[str, int]:
    """Return the number of a batch's jobs by status, once they have ended or some time has passed."""
    counts: dict[str, int] = json.loads(call("GET", f"/api/batches/{batch_id}?wait=30"))["by_status"]
    return counts


def _job(number: int, executes: bool, place: int) -> dict[str, object]:  # noqa: FBT001 - as above
    code = f"print({number}, {place})"
    return {"project": "bench", "code": code, "language": "python", "execute": executes}


@contextmanager
def _on_mariadb() -> Iterator[dict[str, object]]:
    """Start a private server; yield the settings with which a service uses it."""
    program = mariadb.find_server()
    if program is None:
        sys.exit("MariaDB is not installed: apt-get install mariadb-server-core")
    with tempfile.TemporaryDirectory() as directory:
        server = mariadb.start_server(program, Path(directory))
        try:
            url = migrated(server.create_schema("batches"))
            yield {
                "rds_host": url.host,
                "rds_port": url.port,
                "rds_dbname": url.database,
                "rds_username": url.username,
                "rds_password": url.password,
            }
        finally:
            server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    if not main(parser.parse_args().rounds):
        sys.exit("a batch takes more than a twentieth of the time of single uploads")
