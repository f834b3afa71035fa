"""The commands about batches: submit, status, list, cancel."""

import json
from collections.abc import Iterator
from pathlib import Path

import rich_click as click

from domain.catalogue.text import text
from domain.language import LANGUAGES
from entrypoints.cli.client import Json, ServiceClient, segment
from entrypoints.cli.columns import Column
from entrypoints.cli.connection import connect, explain_waiting, server_option
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.input_files import read_text
from entrypoints.cli.interruption import interruptible
from entrypoints.cli.terminal import json_option, list_options, print_fields, print_json, print_table
from entrypoints.cli.values import Seconds

_WAIT_S = 20
_LANGUAGES = {language.extension: language.name for language in LANGUAGES.values()}


@click.group("batch")
def command() -> None:
    """Submit many jobs at once and follow them."""


@command.command("submit")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--project", default="batch", show_default=True, help="Project of the programs in a directory.")
@click.option("--wait", is_flag=True, help="Wait for all jobs; exit with 1 if one does not succeed.")
@json_option
@server_option
def submit(*, path: Path, project: str, wait: bool, as_json: bool, server: str | None) -> None:
    """Submit a file of jobs, or each program in a directory.

    A file has {"jobs": [...]} or one job per line, each like the body of POST /api/upload.
    """
    jobs = _of_directory(path, project) if path.is_dir() else _of_file(path)
    with interruptible(), connect(server, runs=wait, asks_engine=True) as client:
        batch = client.post("/api/batches", {"jobs": jobs})
        if wait:
            batch = _ended(client, batch)
    _show(batch, as_json=as_json)
    if not wait:
        explain_waiting(server)
    if wait and batch["by_status"]["SUCCESS"] != batch["total"]:
        raise Failure("", ExitCode.FAILED)


@command.command("status")
@click.argument("batch_id", metavar="BATCH")
@click.option("--wait", type=Seconds(20), help="Wait up to this long for the end, 20s at most.")
@json_option
@server_option
def status(*, batch_id: str, wait: float | None, as_json: bool, server: str | None) -> None:
    """Print the number of jobs of a batch by status."""
    with connect(server) as client:
        _show(client.get(f"/api/batches/{segment(batch_id)}", wait=wait), as_json=as_json)


@command.command("list")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Maximum number of results."
)
@list_options
@server_option
def list_all(*, limit: int, as_json: bool, server: str | None) -> None:
    """List batches, newest first."""
    with connect(server) as client:
        listed = client.listed("/api/batches", limit)
    if as_json:
        print_json(listed)
        return
    print_table(
        (Column.BATCH, Column.CREATED, Column.JOBS, Column.BY_STATUS),
        ((b["batch_id"], b["created_at"], b["total"], _counts(b)) for b in listed),
    )


@command.command("cancel")
@click.argument("batch_id", metavar="BATCH")
@json_option
@server_option
def cancel(*, batch_id: str, as_json: bool, server: str | None) -> None:
    """Cancel the jobs of a batch that have not ended."""
    with connect(server) as client:
        _show(client.post(f"/api/batches/{segment(batch_id)}/cancel"), as_json=as_json)


def _of_directory(directory: Path, project: str) -> list[Json]:
    jobs = list(_programs(directory, project))
    if not jobs:
        raise Failure(text("cli.no_programs", directory=directory), ExitCode.USAGE)
    return jobs


def _programs(directory: Path, project: str) -> Iterator[Json]:
    """Yield a job for each file with the extension of a language, in the order of the file names."""
    for file in sorted(directory.iterdir()):
        language = _LANGUAGES.get(file.suffix)
        if language is not None and file.is_file():
            yield {
                "project": project,
                "language": language,
                "code": read_text(file),
                "tags": {"file": file.name},
            }


def _of_file(file: Path) -> list[Json]:
    content = read_text(file)
    try:
        return _jobs(json.loads(content))
    except json.JSONDecodeError as error:
        of_document = error  # unless the file has one job per line
    jobs: list[Json] = []
    begin = 0
    for line in content.split("\n"):
        try:
            jobs += [json.loads(line)] if line.strip() else []
        except json.JSONDecodeError as error:
            of_line = json.JSONDecodeError(error.msg, content, begin + error.pos)
            detail = str(of_line if jobs else of_document)
            raise Failure(text("cli.not_jobs", file=file, detail=detail), ExitCode.USAGE) from error
        begin += len(line) + 1
    return jobs


def _jobs(read: Json) -> list[Json]:
    found = read.get("jobs", [read]) if isinstance(read, dict) else read
    return found if isinstance(found, list) else [found]


def _ended(client: ServiceClient, batch: Json) -> Json:
    while batch["by_status"]["RUNNING"]:
        batch = client.get(f"/api/batches/{segment(batch['batch_id'])}", wait=_WAIT_S)
    return batch


def _counts(batch: Json) -> str:
    return ", ".join(f"{name} {number}" for name, number in batch["by_status"].items() if number)


def _show(batch: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(batch)
        return
    names = ("batch_id", "created_at", "completed_at", "total")
    print_fields([*((name, batch[name]) for name in names), ("by_status", _counts(batch))])
