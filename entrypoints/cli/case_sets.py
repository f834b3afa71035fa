"""The command `case-sets`, which stores, lists and shows the case sets of projects by the HTTP API."""

import io
import zipfile
from pathlib import Path

import rich_click as click

from domain.case_set import CaseSetReference, parse_case_set_reference
from domain.catalogue.text import text
from domain.errors import InvalidValue
from entrypoints.cli.client import Json, segment
from entrypoints.cli.columns import Column, yes_or_no
from entrypoints.cli.confirmation import confirm, yes_option
from entrypoints.cli.connection import connect, server_option
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.input_files import read_bytes
from entrypoints.cli.terminal import json_option, list_options, print_fields, print_json, print_table, say

_ARCHIVE = "application/octet-stream"
_COLUMNS = ("name", "version", "total", "stored_bytes", "created_at", "created_by")
_CASE_COLUMNS = ("name", "weight", "hidden", "stdin_bytes", "expected_bytes")
_MOST = 1_000
_FIELDS = ("project", *_COLUMNS)


@click.group("case-sets")
def command() -> None:
    """Store the test cases of a project in sets with versions, which jobs name as `case_set`."""


@command.command("put")
@click.argument("project")
@click.argument("name")
@click.argument("path", metavar="PATH", type=click.Path(exists=True, path_type=Path))
@json_option
@server_option
def put(*, project: str, name: str, path: Path, as_json: bool, server: str | None) -> None:
    """Store the cases of a directory or an archive (*.in with *.out or *.ans) as a set."""
    content = _zipped(path) if path.is_dir() else read_bytes(path)
    with connect(server) as client:
        stored = client.put(_url(project, name), content, _ARCHIVE)
    if as_json:
        print_json(stored)
    else:
        name, count = stored["case_set"], stored["total"]
        kept = text("cli.case_set_unchanged", name=name, count=count)
        say(text("cli.case_set_stored", name=name, count=count) if stored["is_new"] else kept)


@command.command("list")
@click.argument("project")
@list_options
@server_option
def list_all(*, project: str, as_json: bool, server: str | None) -> None:
    """List the case sets of a project by name."""
    with connect(server) as client:
        listed = client.get(f"/api/projects/{segment(project)}/case-sets", limit=_MOST)
    if as_json:
        print_json(listed)
    else:
        print_table(
            [Column(name) for name in _COLUMNS], ([each[name] for name in _COLUMNS] for each in listed)
        )


@command.command("show")
@click.argument("project")
@click.argument("name", metavar="NAME[@VERSION]")
@json_option
@server_option
def show(*, project: str, name: str, as_json: bool, server: str | None) -> None:
    """Show the latest or another version of a case set, with its cases."""
    reference = _reference(name)
    with connect(server) as client:
        url = _url(project, reference.name.value)
        shown = client.get(url, version=reference.version, limit=_MOST)
        while len(shown["cases"]) < shown["total"]:
            offset = len(shown["cases"])
            shown["cases"] += client.get(url, version=shown["version"], offset=offset, limit=_MOST)["cases"]
    if as_json:
        print_json(shown)
        return
    print_fields([(field, shown[field]) for field in _FIELDS])
    print_table(
        [Column(name) for name in _CASE_COLUMNS], (_row(case) for case in shown["cases"]), is_part=True
    )


@command.command("remove")
@click.argument("project")
@click.argument("name")
@yes_option
@server_option
def remove(*, project: str, name: str, is_sure: bool, server: str | None) -> None:
    """Delete a case set with all of its versions. Jobs that use one keep its cases."""
    confirm(text("cli.remove_case_set", name=name, project=project), is_sure=is_sure)
    with connect(server) as client:
        client.remove(_url(project, name))
    say(text("cli.deleted", id=name))


def _url(project: str, name: str) -> str:
    return f"/api/projects/{segment(project)}/case-sets/{segment(name)}"


def _reference(given: str) -> CaseSetReference:
    try:
        return parse_case_set_reference(given)
    except InvalidValue as error:
        raise Failure(text("cli.about", subject="NAME", detail=error.detail), ExitCode.USAGE) from error


def _row(case: Json) -> list[object]:
    row = {**case, "hidden": yes_or_no(is_so=case["hidden"])}
    return [row[name] for name in _CASE_COLUMNS]


def _zipped(directory: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            archive.writestr(path.relative_to(directory).as_posix(), read_bytes(path))
    return content.getvalue()
