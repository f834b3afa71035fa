"""The command `run`: uploads a file, executes it, and ends as its program did."""

import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import rich_click as click

from catalogue.text import text
from domain.checker import CheckerKind
from domain.language import LANGUAGES
from entrypoints.cli.cases import (
    case_progress,
    follow_cases,
    print_verdicts,
    read_cases,
    write_junit,
)
from entrypoints.cli.client import Json, ServiceClient
from entrypoints.cli.connection import connect, server_option
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.files import path_of, read_files, save_artifacts
from entrypoints.cli.input_files import read_bytes, read_text, unreadable
from entrypoints.cli.program_output import ProgramOutput, follow, forget_stdout
from entrypoints.cli.terminal import Progress, one_line, printable
from entrypoints.cli.values import LanguageName

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_BY_STATUS = {"SUCCESS": ExitCode.OK, "TIMEOUT": ExitCode.TIMEOUT, "CANCELLED": ExitCode.INTERRUPTED}
_KINDS = tuple(kind.value for kind in CheckerKind if kind is not CheckerKind.PROGRAM)
# A longer input is sent as a file.
_TEXT_BYTES = 1 << 20
# Reasons that are the service's and not the program's.
_SERVICE = {
    *("engine_unavailable", "engine_error", "worker_lost"),
    *("storage_error", "secrets_unavailable", "internal"),
}


class Interrupted(KeyboardInterrupt):
    """A signal asks this command to end.

    Attributes:
        signal: Its number.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted on the signals that ask a command to end, once: the next one ends it as ever."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as it is under nohup(1)
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_DFL)
    raise Interrupted(number)


@click.command(
    "run",
    epilog="Ends with the program's own exit code; with 128 plus a signal's number, 124 for a timeout, 130 "
    "when cancelled; with 1 for a failure without an exit code, 2 for wrong usage, 3 for one of the service. "
    "With --cases: 0 if all are accepted, 1 if not, or if the program does not compile.",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--language", type=LanguageName(), help="Its language; without it, the file's extension says so."
)
@click.option(
    "--stdin",
    metavar="TEXT|@FILE|-",
    help="What it reads; without it, what is piped or redirected to this command.",
)
@click.option(
    "--file",
    "files",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="A file beside the program, or a directory of them; may be repeated.",
)
@click.option(
    "--artifact",
    "artifacts",
    metavar="PATTERN",
    multiple=True,
    help="Files that it writes and that are saved, such as 'out/*.png'; may be repeated.",
)
@click.option(
    "--artifacts-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where they are saved; by default in the present directory.",
)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Its wall time, in seconds.")
@click.option(
    "--build-timeout",
    type=click.FloatRange(min=0, min_open=True),
    help="The wall time of its build, in seconds, where it has one.",
)
@click.option(
    "--cases",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Run it for each input in a directory: files *.in, with the expected output in *.out or *.ans.",
)
@click.option(
    "--stop-on",
    type=click.Choice(["first_failure", "never"]),
    help="With --cases: when the remaining ones are skipped.",
)
@click.option(
    "--checker",
    metavar="KIND|FILE",
    help=f"With --cases: how outputs are compared, {', '.join(_KINDS)} (trimmed by default), or a program, "
    "whose arguments are the files of input, output and answer.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    help="With --checker float: the absolute or relative error that a number may have.",
)
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --cases: write a report in the form of JUnit.",
)
@click.option("--project", default="cli", show_default=True, help="The project to keep the job in.")
@server_option
def command(
    *,
    file: Path,
    args: tuple[str, ...],
    language: str | None,
    stdin: str | None,
    files: tuple[Path, ...],
    artifacts: tuple[str, ...],
    artifacts_dir: Path,
    timeout: float | None,
    build_timeout: float | None,
    cases: Path | None,
    stop_on: str | None,
    checker: str | None,
    tolerance: float | None,
    junit: Path | None,
    project: str,
    server: str | None,
) -> None:
    """Run the program in FILE, with ARGS after `--`, and end with its exit code."""
    given = {"--stop-on": stop_on, "--checker": checker, "--tolerance": tolerance, "--junit": junit}
    of_cases = next((name for name, value in given.items() if value is not None), None)
    if cases is None and of_cases is not None:
        raise Failure(f"{of_cases} is for a program that runs with --cases", ExitCode.USAGE)
    if cases is not None and stdin is not None:
        raise Failure("--stdin is what each of the --cases has; leave one of them out", ExitCode.USAGE)
    if cases is not None and artifacts:
        raise Failure("--artifact is for a program that runs once; leave it or --cases out", ExitCode.USAGE)
    given_stdin = b"" if cases is not None else program_input(stdin)
    upload: Json = {
        "project": project,
        "language": language or _language_of(file),
        "code": read_text(file),
        "stdin": _short_text(given_stdin),
        "args": args,
        "timeout_ms": _milliseconds(timeout),
        "build_timeout_ms": _milliseconds(build_timeout),
    }
    contents = read_files(files)
    if contents:
        upload["entry"] = path_of(file)
        contents.pop(upload["entry"], None)
    if artifacts:
        upload["artifacts"] = artifacts
    if cases is not None:
        upload |= {"cases": read_cases(cases), "stop_on": stop_on, "checker": _checker(checker, tolerance)}
        with interruptible():
            code = _run_cases(upload, contents, server, junit, file.name)
        sys.exit(code)
    with interruptible(), Progress(f"Running {one_line(file.name)}") as progress:
        as_file = given_stdin if upload["stdin"] is None else None
        send = partial(ServiceClient.upload, job=upload, files=contents, stdin=as_file)
        code = _run(send, server, progress, artifacts_dir)
    sys.exit(code)


def _run_cases(
    upload: Json, files: Mapping[str, bytes], server: str | None, junit: Path | None, name: str
) -> int:
    with connect(server, runs=True) as client:
        job_id = client.upload(upload, files)["job_id"]
        try:
            client.post(f"/api/execute/{job_id}")
            with case_progress(len(upload["cases"])) as progress:
                job = follow_cases(client, job_id, progress)
        except Interrupted as interrupted:
            _cancel(client, job_id)
            return ExitCode.SIGNAL + interrupted.signal
    print_verdicts(job)
    if junit is not None:
        write_junit(junit, job, name)
    if job["data"]["reason"] == "compile_error":
        click.echo(printable(job["data"]["result"]["stderr"]), err=True, nl=False)
    _tell(job, explains=job["data"]["reason"] != "cases_failed")
    return exit_code(job)


def _checker(name: str | None, tolerance: float | None) -> Json | None:
    """Return a checker of a kind, or the program in a file.

    Raises:
        Failure: It is neither, or a tolerance is not that of numbers.
    """
    if tolerance is not None and name != CheckerKind.FLOAT:
        raise Failure("--tolerance is for --checker float", ExitCode.USAGE)
    if name is None:
        return None
    if name in _KINDS:
        return {"kind": name, "tolerance": tolerance}
    file = Path(name)
    if not file.exists():
        raise Failure(f"--checker: {name} is neither a file nor one of {', '.join(_KINDS)}", ExitCode.USAGE)
    return {"kind": CheckerKind.PROGRAM, "language": _language_of(file), "code": read_text(file)}


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else max(round(seconds * 1000), 1)


def _run(
    send: Callable[[ServiceClient], Json], server: str | None, progress: Progress, directory: Path
) -> int:
    with connect(server, runs=True) as client:
        job_id = send(client)["job_id"]
        try:
            client.post(f"/api/execute/{job_id}")
            job = follow(client, job_id, ProgramOutput(is_raw=True, before_first=progress.stop))
        except Interrupted as interrupted:
            progress.stop()
            _cancel(client, job_id)
            return ExitCode.SIGNAL + interrupted.signal
        except BrokenPipeError:
            forget_stdout()
            _cancel(client, job_id)
            return ExitCode.SIGNAL + signal.SIGPIPE
        progress.stop()
        save_artifacts(client, job, directory)
    _tell(job)
    return exit_code(job)


def _tell(job: Json, *, explains: bool = True) -> None:
    if explains and (why := explanation(job)):
        click.echo(f"service-server: {one_line(why)}", err=True)
    if sys.stderr.isatty():
        click.secho(summary(job), err=True, dim=True)


def _cancel(client: ServiceClient, job_id: str) -> None:
    try:
        client.post(f"/api/cancel/{job_id}")
    except Failure as failure:  # it may have ended meanwhile
        click.echo(f"service-server: {one_line(str(failure))}", err=True)
    else:
        click.echo(f"service-server: cancelled job {job_id}", err=True)


def _language_of(file: Path) -> str:
    for language in LANGUAGES.values():
        if language.extension == file.suffix:
            return language.name
    raise Failure(text("cli.unknown_language", file=file), ExitCode.USAGE)


def exit_code(job: Json) -> int:
    """Return the exit code of the command: the program's own, if it has one."""
    result, reason = job["data"].get("result") or {}, job["data"]["reason"]
    if job["status"] in _BY_STATUS:
        return _BY_STATUS[job["status"]]
    if reason in _SERVICE:
        return ExitCode.SERVICE
    if result.get("signal"):
        return ExitCode.SIGNAL + int(result["signal"])
    return int(result.get("exit_code") or ExitCode.FAILED)


def explanation(job: Json) -> str | None:
    """Explain why a program did not end by itself; None if it did."""
    result, reason = job["data"].get("result") or {}, job["data"]["reason"]
    if reason in {None, "nonzero_exit"}:
        return None
    sentence = result.get("error_message") or job["message"]
    if limit := result.get("limit"):
        sentence += f" ({limit['name']}: {limit['allowed']} allowed, {limit['measured']} measured)"
    return f"{sentence} [{reason}]"


def summary(job: Json) -> str:
    """Summarize the end of a job and its resource usage in a line."""
    resource = (job["data"].get("result") or {}).get("resource") or {}
    unknown = resource.get("unknown") or ()
    parts = [job["status"]]
    if resource.get("execution_time_ms") is not None and "execution_time_ms" not in unknown:
        parts.append(f"{resource['execution_time_ms']} ms")
    if resource.get("memory_mb") is not None and "memory_mb" not in unknown:
        parts.append(f"{resource['memory_mb']:.1f} MiB")
    return ", ".join((*parts, f"job {job['job_id']}"))


def program_input(option: str | None) -> bytes:
    """Return the stdin of a program.

    Args:
        option: A text, `-` for the command's own stdin, `@` and a file's name, or None for the command's own
            stdin if that is a pipe or a file, and nothing if it is a terminal or a device such as /dev/null.

    Raises:
        Failure: The file cannot be read.
    """
    if option is None:
        return _own_stdin() if _is_given() else b""
    if option == "-":
        return _own_stdin()
    if option.startswith("@"):
        return read_bytes(Path(option[1:]))
    return option.encode()


def _is_given() -> bool:
    if sys.stdin is None:  # closed by the parent process
        return False
    mode = os.fstat(sys.stdin.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def _own_stdin() -> bytes:
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise unreadable("stdin", error) from error


def _short_text(data: bytes) -> str | None:
    """Return data as a text; None for data that is none, or too long to be sent as one."""
    try:
        return data.decode() if len(data) <= _TEXT_BYTES else None
    except UnicodeDecodeError:
        return None
