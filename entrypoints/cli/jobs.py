"""The command `jobs`, and the selection of jobs by filters."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING

import rich_click as click

from domain.catalogue.figures import duration
from domain.catalogue.language import language_of_environment
from domain.catalogue.text import text
from domain.job_lifecycle import JobStatus, Phase, State
from entrypoints.cli.client import Json, ServiceClient, segment
from entrypoints.cli.columns import Column
from entrypoints.cli.connection import connect, server_option
from entrypoints.cli.errors import ExitCode, Failure, sentence_of
from entrypoints.cli.terminal import Styled, list_options, one_line, print_json, print_table, table_of
from entrypoints.cli.times import Moment
from entrypoints.cli.values import STATUSES, Choice, LanguageName, Tag

if TYPE_CHECKING:
    from rich.table import Table

# The number of jobs that filters select, at most.
MAX_SELECTED = 10_000
_WATCH_S = 2.0
_LINES_AROUND = 3
_MINUTE_S = 60
# The width of a terminal with room for all columns.
_WIDE = 110
_COLUMNS = (
    Column.JOB,
    Column.STATE,
    Column.AGE,
    Column.DURATION,
    Column.EXIT,
    Column.REASON,
    Column.PROJECT,
    Column.LANGUAGE,
)
_NARROW = 6
_PIPED = (
    Column.JOB,
    Column.STATUS,
    Column.PROJECT,
    Column.LANGUAGE,
    Column.CREATED,
    Column.PHASE,
    Column.DURATION_MS,
    Column.EXIT,
    Column.REASON,
)
_STYLES = {
    State.QUEUED: "yellow",
    State.BUILDING: "cyan",
    State.RUNNING: "blue",
    State.SUCCESS: "green",
    State.FAILED: "red",
    State.TIMEOUT: "red",
    State.CANCELLED: "dim",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The filters of a selection. A filter that is not given selects all jobs."""

    project: str | None
    status: str | None
    phases: tuple[str, ...]
    language: str | None
    since: datetime | None
    until: datetime | None
    tags: tuple[tuple[str, str], ...]
    search: str | None

    @property
    def is_empty(self) -> bool:
        """Whether all jobs are selected."""
        given = (self.project, self.status, self.language, self.since, self.until, self.search)
        return not (self.phases or self.tags or any(value is not None for value in given))

    def select(self, client: ServiceClient, limit: int, **query: Json) -> list[Json]:
        """Return the newest matching jobs."""
        path = "/api/jobs" if self.project is None else f"/api/projects/{segment(self.project)}/jobs"
        return client.listed(path, limit, **self._query(), **query)

    def _query(self) -> dict[str, Json]:
        return {
            "language": self.language,
            "status": self.status,
            "phase": list(self.phases),
            "tag": [f"{name}:{value}" for name, value in self.tags],
            "created_after": _written(self.since),
            "created_before": _written(self.until),
            "search": self.search,
        }


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def filter_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select jobs, as one argument `filters`."""

    @wraps(function)
    def with_filters(**options: Json) -> None:
        function(
            filters=Filters(**{each.name: options.pop(each.name) for each in fields(Filters)}), **options
        )

    for option in reversed(_OPTIONS):
        option(with_filters)
    return with_filters


_OPTIONS = (
    click.option("--project", help="Only jobs of this project."),
    click.option("--status", type=STATUSES, help="Only jobs with this status."),
    click.option(
        "--phase",
        "phases",
        type=Choice([phase.value for phase in Phase]),
        multiple=True,
        help="Only jobs in this phase; may be repeated.",
    ),
    click.option("--language", type=LanguageName(), help="Only jobs in this language."),
    click.option("--since", type=Moment(), help="Only jobs created since: 2h, 7d, yesterday, 2025-01-31."),
    click.option("--until", type=Moment(), help="Only jobs created before, in the same formats."),
    click.option(
        "--tag",
        "tags",
        type=Tag(),
        metavar="NAME=VALUE",
        multiple=True,
        help="Only jobs with this tag; may be repeated.",
    ),
    click.option(
        "--search",
        metavar="TEXT",
        help="Only jobs with this text in the description or a tag, or at either end of the id.",
    ),
)


@click.command("jobs")
@filter_options
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Maximum number of results."
)
@click.option("--watch", is_flag=True, help="Show the list and keep it up to date, until Ctrl-C.")
@list_options
@server_option
def command(*, filters: Filters, limit: int, watch: bool, as_json: bool, server: str | None) -> None:
    """List jobs, newest first."""
    if watch and (as_json or not sys.stdout.isatty()):
        raise Failure(text("cli.watch_needs_terminal"), ExitCode.USAGE)
    with connect(server) as client:
        if watch:
            _watch(lambda: filters.select(client, limit))
            return
        listed = filters.select(client, limit)
    if as_json:
        print_json(listed)
    elif sys.stdout.isatty():
        columns, rows = _shown(listed)
        print_table(columns, rows, whole=len(columns) - 1)
    else:
        print_table(_PIPED, map(_piped, listed))


def _watch(read: Callable[[], list[Json]]) -> None:
    """Show the jobs on the terminal's alternate screen until an interrupt, then print the last list.

    Below it is the reason for which the list cannot be read at present.
    """
    from rich.console import Console, Group  # noqa: PLC0415 - only terminals need it
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    listed = read()
    outage = ""
    try:
        with Live(console=Console(), screen=True, auto_refresh=False) as live:
            while True:
                lines = max(shutil.get_terminal_size().lines - _LINES_AROUND, 1)
                live.update(Group(_table(listed[:lines]), Text(outage)), refresh=True)
                time.sleep(_WATCH_S)
                try:
                    listed, outage = read(), ""
                except Failure as failure:
                    if failure.exit_code != ExitCode.SERVICE:
                        raise
                    outage = one_line(sentence_of(failure))
    except KeyboardInterrupt:
        print_table(*_shown(listed), whole=_NARROW - 1)


def _table(jobs: Sequence[Json]) -> "Table":
    columns, rows = _shown(jobs)
    return table_of(columns, rows, whole=len(columns) - 1)


def _shown(jobs: Sequence[Json]) -> tuple[Sequence[Column], list[Sequence[object]]]:
    """Return the columns that a terminal has room for, and the rows."""
    number = len(_COLUMNS) if shutil.get_terminal_size().columns >= _WIDE else _NARROW
    return _COLUMNS[:number], [_row(job)[:number] for job in jobs]


def _row(job: Json) -> Sequence[object]:
    data, now = job["data"], datetime.now(UTC)
    state = State.of(JobStatus(job["status"]), Phase(job["phase"]))
    age_ms = (now - datetime.fromisoformat(data["created_at"])).total_seconds() * 1_000
    ran_ms = _ran_ms(job, now)
    language = language_of_environment(os.environ)
    return (
        job["job_id"],
        Styled(text(f"states.{state}").into(language), _STYLES.get(state)),
        _age(age_ms),
        "" if ran_ms is None else duration(ran_ms),
        _exit_on_terminal(job),
        "" if data["reason"] is None else text(f"reasons.{data['reason']}").into(language),
        job["project"],
        data["language"],
    )


def _piped(job: Json) -> Sequence[object]:
    data = job["data"]
    ran_ms = _ran_ms(job, None)
    return (
        *(job["job_id"], job["status"], job["project"], data["language"], data["created_at"], job["phase"]),
        *(None if ran_ms is None else round(ran_ms), _exit(job), data["reason"]),
    )


def _ran_ms(job: Json, now: datetime | None) -> float | None:
    """Return the time for which a job's program ran, or has run until now; None if it has not started."""
    started, ended = job["run_started_at"], job["data"]["completed_at"]
    if started is None:
        return None
    end = now if ended is None else datetime.fromisoformat(ended)
    if end is None:
        return None
    return max((end - datetime.fromisoformat(started)).total_seconds(), 0) * 1_000


def _age(milliseconds: float) -> str:
    """Format an age in whole units."""
    seconds = max(milliseconds, 0) // 1_000
    return f"{seconds:.0f} s" if seconds < _MINUTE_S else " ".join(duration(seconds * 1_000).split()[:2])


def _exit_on_terminal(job: Json) -> str | None:
    """Return the exit code, or the short name of the signal."""
    number = (job["data"].get("result") or {}).get("signal")
    try:
        return signal.Signals(number).name.removeprefix("SIG") if number else _exit(job)
    except ValueError:  # real-time signals have no names
        return str(number)


def _exit(job: Json) -> str | None:
    result = job["data"].get("result") or {}
    if result.get("signal"):
        return f"signal {result['signal']}"
    return None if result.get("exit_code") is None else str(result["exit_code"])
