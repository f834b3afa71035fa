"""The growth of the cost of lists and status reads with the number of jobs.

`python -m tests.benchmarks.bench_lists [--mariadb] [SIZE ...]`; the default is SQLite with 1,000 and 100,000.
Each read is timed on all databases in turn, so that other load on the host slows all of them.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from adapters.sql.engine import create_engine
from adapters.sql.job_queries import SqlJobQueries
from application.lists import Cursor, JobFilter
from application.ports.dashboard_queries import COUNTED_UP_TO
from domain.job_lifecycle import JobStatus, Phase
from domain.values import ProjectId
from tests.support import mariadb
from tests.support.callers import ANONYMOUS
from tests.support.filled_database import BEGIN, fill, fill_by_copies, job_id

SIZES = (1_000, 100_000)
LIMIT = 100
# With this buffer pool and log, the data that lists read fits into memory, and filling takes minutes instead
# of an hour.
ROOM = ("--innodb-buffer-pool-size=1G", "--innodb-log-file-size=1G")
ROUNDS = 300

Read = Callable[[SqlJobQueries], object]


def main() -> None:
    """Fill a database of each size, time every read on each, and print the times and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mariadb", action="store_true", help="on a private MariaDB rather than on SQLite")
    parser.add_argument("sizes", metavar="SIZE", nargs="*", type=int, default=SIZES)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        new_engine = stack.enter_context(_on_mariadb() if arguments.mariadb else _on_sqlite())
        databases = {size: new_engine(size) for size in arguments.sizes}
        fill_database = fill_by_copies if arguments.mariadb else fill
        for size, engine in databases.items():
            fill_database(engine, size)
        queries = {size: SqlJobQueries(engine) for size, engine in databases.items()}
        _print_head(arguments.sizes)
        for name, read in _reads(min(arguments.sizes)).items():
            _print_row(name, measure(read, queries))
        for engine in databases.values():
            engine.dispose()


def measure(read: Read, databases: Mapping[int, SqlJobQueries]) -> list[Sequence[float]]:
    """Return the durations of a read on each of the databases in milliseconds, ascending."""
    times: dict[int, list[float]] = {size: [] for size in databases}
    for _ in range(ROUNDS):
        for size, queries in databases.items():
            begin = time.perf_counter()
            read(queries)
            times[size].append((time.perf_counter() - begin) * 1_000)
    return [sorted(taken) for taken in times.values()]


def _reads(smallest: int) -> dict[str, Read]:
    middle = Cursor(BEGIN + timedelta(seconds=smallest // 2), job_id(smallest // 2))
    project = ProjectId(3)
    ended = frozenset({JobStatus.SUCCESS, JobStatus.FAILED})
    success = frozenset({JobStatus.SUCCESS})
    absent = frozenset({JobStatus.RUNNING, JobStatus.TIMEOUT})
    filters = {
        "list": JobFilter(limit=LIMIT),
        "list from the middle": JobFilter(limit=LIMIT, cursor=middle),
        "list of a project": JobFilter(limit=LIMIT, project_id=project),
        "list of a status": JobFilter(limit=LIMIT, statuses=success),
        "list of two statuses": JobFilter(limit=LIMIT, statuses=ended),
        "list of a project and a status": JobFilter(limit=LIMIT, project_id=project, statuses=success),
        "list of a language (10)": JobFilter(limit=10, language="rust"),
        "list of a project and a language": JobFilter(limit=LIMIT, project_id=project, language="python"),
        "list of a tag": JobFilter(limit=LIMIT, tags={"env": "prod"}),
        "list of a project and a tag (10)": JobFilter(limit=10, project_id=project, tags={"env": "prod"}),
        "list of a status and a language (10)": JobFilter(limit=10, statuses=success, language="rust"),
        "list of nothing that is rust and failed": JobFilter(
            limit=LIMIT, statuses=frozenset({JobStatus.FAILED}), language="rust"
        ),
        "list of nothing with a tag and cancelled": JobFilter(
            limit=LIMIT, tags={"env": "prod"}, statuses=frozenset({JobStatus.CANCELLED})
        ),
        "list of two tags": JobFilter(limit=LIMIT, tags={"env": "prod", "team": "a"}),
        "list of what runs": JobFilter(limit=LIMIT, phases=frozenset({Phase.RUNNING})),
        "list of nothing": JobFilter(limit=LIMIT, statuses=absent),
        "list of the oldest": JobFilter(limit=LIMIT, oldest_first=True),
        "list of a tag and a day": JobFilter(
            limit=20, tags={"env": "prod"}, created_before=middle.created_at
        ),
        "list of a tag, failed": JobFilter(
            limit=20, tags={"env": "prod"}, statuses=frozenset({JobStatus.FAILED})
        ),
        "list of a text": JobFilter(limit=20, search="env:prod"),
        "list of a text that is nowhere": JobFilter(limit=20, search="nowhere"),
        "list of the beginning of an id": JobFilter(limit=20, id_prefix=job_id(smallest // 3).hex[:12]),
    }
    counted = (
        *("list", "list of a project", "list of a status", "list of a tag", "list of a tag, failed"),
        *("list of a project and a status", "list of a text", "list of a text that is nowhere"),
    )
    reads: dict[str, Read] = {name: _page(wanted) for name, wanted in filters.items()}
    reads |= {f"number of the {name}": _count(filters[name]) for name in counted}
    reads["names of tags"] = lambda queries: queries.tag_names(ANONYMOUS, None, "", 20)
    reads["values of a tag"] = lambda queries: queries.tag_values(ANONYMOUS, project, "team", "", 20)
    return {**reads, "status": lambda queries: queries.status(ANONYMOUS, job_id(smallest // 3))}


def _page(wanted: JobFilter) -> Read:
    return lambda queries: queries.page(ANONYMOUS, wanted)


def _count(wanted: JobFilter) -> Read:
    return lambda queries: queries.count(ANONYMOUS, wanted, COUNTED_UP_TO)


def _print_head(sizes: Sequence[int]) -> None:
    head = "".join(f"{size:>22,}" for size in sizes)
    print(f"{'milliseconds: median (p99)':<42}{head}{'ratio':>8}")


def _print_row(name: str, samples: Sequence[Sequence[float]]) -> None:
    medians = [statistics.median(times) for times in samples]
    cells = [
        f"{median:.2f} ({times[int(len(times) * 0.99)]:.2f})"
        for median, times in zip(medians, samples, strict=True)
    ]
    print(f"{name:<42}{''.join(f'{cell:>22}' for cell in cells)}{medians[-1] / medians[0]:>8.2f}")


@contextmanager
def _on_sqlite() -> Iterator[Callable[[int], sa.Engine]]:
    with tempfile.TemporaryDirectory() as directory:
        yield lambda size: create_engine(f"sqlite:///{directory}/{size}.db")


@contextmanager
def _on_mariadb() -> Iterator[Callable[[int], sa.Engine]]:
    program = mariadb.find_server()
    if program is None:
        sys.exit("MariaDB is not installed: apt-get install mariadb-server-core")
    with tempfile.TemporaryDirectory() as directory:
        server = mariadb.start_server(program, Path(directory), *ROOM)
        try:
            yield lambda size: create_engine(server.create_schema(f"bench_{size}"))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
