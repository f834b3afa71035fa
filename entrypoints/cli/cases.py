"""The cases of the command `run`, which are read from a directory, followed on the terminal, and reported."""

import base64
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from xml.etree import ElementTree as ET

import rich_click as click

from domain.case_files import find_cases
from domain.catalogue.text import Text, text
from domain.errors import InvalidValue
from entrypoints.cli.client import Json, ServiceClient
from entrypoints.cli.columns import Column
from entrypoints.cli.errors import ExitCode, Failure, fault_of, in_language
from entrypoints.cli.input_files import read_bytes, read_text
from entrypoints.cli.terminal import note, one_line, print_table, printable, say

_COLUMNS = (Column.CASE, Column.VERDICT, Column.TIME, Column.MEMORY, Column.DETAILS)


def read_cases(directory: Path) -> Sequence[Json]:
    """Read the cases in a directory: files *.in with *.out or *.ans beside them, or directories in and out.

    Raises:
        Failure: There are no cases, or one cannot be read.
    """
    if not directory.is_dir():
        raise Failure(text("cli.not_a_directory", path=directory), ExitCode.USAGE)
    files = sorted(path.relative_to(directory) for path in directory.rglob("*") if path.is_file())
    try:
        found = find_cases(path.as_posix() for path in files)
    except InvalidValue as error:
        raise Failure(text("cli.about", subject=directory, detail=error.detail), ExitCode.USAGE) from error
    return [
        {
            "name": case.name,
            **_input(read_bytes(directory / case.stdin)),
            **({} if case.expected is None else {"expected_stdout": read_text(directory / case.expected)}),
            **({"hidden": True} if case.hidden else {}),
        }
        for case in found
    ]


def _input(data: bytes) -> dict[str, str]:
    try:
        return {"stdin": data.decode()}
    except UnicodeDecodeError:
        return {"stdin_base64": base64.b64encode(data).decode()}


class CaseProgress(Protocol):
    """Shows the progress of cases."""

    def update(self, done: int, failed: int) -> None:
        """Show the numbers of cases that are done and that have failed."""


class _Bar:
    """A progress bar on stderr, for terminals only."""

    def __init__(self, total: int) -> None:
        from rich.console import Console  # noqa: PLC0415 - only terminals need it
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

        columns = (
            TextColumn(in_language(text("common.cases"))),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
        )
        self.progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self.progress.add_task("", total=total)

    def update(self, done: int, failed: int) -> None:
        """Show the numbers of cases that are done and that have failed."""
        description = in_language(text("cli.not_accepted", count=failed)) if failed else ""
        self.progress.update(self._task, completed=done, description=description)


class _NoBar:
    """Shows nothing."""

    def update(self, done: int, failed: int) -> None:
        """Do nothing."""


@contextmanager
def case_progress(total: int) -> Iterator[CaseProgress]:
    """Show a progress bar while the context lasts, if stderr is a terminal."""
    if total == 0 or not sys.stderr.isatty():
        yield _NoBar()
        return
    bar = _Bar(total)
    with bar.progress:
        yield bar


def follow_cases(client: ServiceClient, job_id: str, progress: CaseProgress) -> Json:
    """Follow a job until it has ended; return the job with its cases.

    Raises:
        Failure: The connection is lost, or the service refuses.
    """
    for event in client.events(f"/api/jobs/{job_id}/events", text("cli.lost_status", id=job_id)):
        if event.name == "cases":
            told = json.loads(event.data)
            progress.update(told["done"], told["done"] - told["passed"])
    return client.get(f"/api/jobs/{job_id}")


def print_verdicts(job: Json) -> None:
    """Print a table of all cases, the total, and the stderr of the first failed case that has one."""
    result = job["data"].get("result") or {}
    cases = result.get("cases") or ()
    if cases:
        print_table(_COLUMNS, map(_row, cases), _style, is_part=True)
    if "total" in result:
        passed, total = result["passed"], result["total"]
        score, max_score = f"{result['score']:g}", f"{result['max_score']:g}"
        say(text("cli.cases_sum", passed=passed, total=total, score=score, max_score=max_score))
    if failed := next((case for case in cases if case.get("stderr")), None):
        note(text("cli.stderr_of_case", name=failed["name"]))
        click.echo(printable(failed["stderr"]).rstrip("\n"), err=True)


def _style(row: Sequence[str]) -> str | None:
    """Return the style of a case's row on a terminal."""
    return {"accepted": None, "skipped": "dim"}.get(row[1], "red")


def _row(case: Json) -> Sequence[object]:
    said = in_language if sys.stdout.isatty() else str
    time_ms, memory_mb = case["time_ms"], case["memory_mb"]
    return (
        case["name"],
        text(f"cases.{case['verdict']}"),
        "" if time_ms is None else f"{time_ms} ms",
        "" if memory_mb is None else f"{memory_mb:.1f} MiB",
        "; ".join(map(said, _details(case))),
    )


def _details(case: Json) -> Iterator[Text | str]:
    if case["hidden"]:
        yield text("cli.case_hidden")
        return
    yield from filter(None, (case["diff"], case["checker_message"]))
    if 0 < case.get("score", 0) < case["weight"]:
        yield text("cli.case_score", score=f"{case['score']:g}", weight=f"{case['weight']:g}")
    if case["first_time_ms"] is not None:
        yield text("cli.case_alone", time_ms=case["first_time_ms"])
    if case["signal"]:
        yield text("cli.case_signal", number=case["signal"])
    elif case["exit_code"]:
        yield text("cli.case_exit_code", code=case["exit_code"])


def write_junit(path: Path, job: Json, name: str) -> None:
    """Write a report in JUnit's format, for build servers.

    Raises:
        Failure: The file cannot be written.
    """
    result = job["data"].get("result") or {}
    cases = result.get("cases") or []
    suite = ET.Element("testsuite", name=_xml_text(name), tests=str(len(cases) or 1))
    counts = dict.fromkeys(("failure", "error", "skipped"), 0)
    for case in cases:
        kind = _add_case(suite, case, name)
        if kind is not None:
            counts[kind] += 1
    if not cases:  # nothing has run, because the build or the service failed
        element = ET.SubElement(suite, "testcase", classname=_xml_text(name), name="build")
        message = _xml_text(result.get("error_message") or job["message"])
        ET.SubElement(element, "error", message=message).text = _xml_lines(result.get("stderr") or "")
        counts["error"] += 1
    suite.set("failures", str(counts["failure"]))
    suite.set("errors", str(counts["error"]))
    suite.set("skipped", str(counts["skipped"]))
    suite.set("time", _seconds(sum(case["time_ms"] or 0 for case in cases)))
    try:
        ET.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise Failure(text("cli.about", subject=path, detail=fault_of(error))) from error


def _add_case(suite: ET.Element, case: Json, name: str) -> str | None:
    """Add a case; return the kind of its failure, or None if it was accepted."""
    element = ET.SubElement(
        suite,
        "testcase",
        classname=_xml_text(name),
        name=_xml_text(case["name"]),
        time=_seconds(case["time_ms"] or 0),
    )
    verdict = case["verdict"]
    if verdict == "accepted":
        return None
    kind = {"skipped": "skipped", "checker_failed": "error"}.get(verdict, "failure")
    wrong = ET.SubElement(element, kind, message=_xml_text(verdict.replace("_", " ")))
    if kind != "skipped":
        wrong.set("type", verdict)
        wrong.text = _xml_text("; ".join(map(str, _details(case))))
    if stderr := case.get("stderr"):
        ET.SubElement(element, "system-err").text = _xml_text(stderr)
    return kind


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.3f}"


def _xml_lines(text: str) -> str:
    """Escape like `_xml_text`, but keep line breaks."""
    return "\n".join(map(_xml_text, text.split("\n")))


def _xml_text(text: str) -> str:
    """Escape characters that XML cannot represent (XML 1.0, 2.2): controls and lone surrogates."""
    return one_line(text).encode("utf-8", "backslashreplace").decode()
