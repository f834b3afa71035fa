"""The command `run`, which uploads a file, executes it, and exits like its program."""

import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import rich_click as click

from domain.catalogue.figures import duration, is_cut, limit_figure
from domain.catalogue.text import Text, said_by, text, text_of
from domain.checker import CheckerKind
from domain.job_lifecycle import Reason
from entrypoints.cli.cases import (
    case_progress,
    follow_cases,
    print_verdicts,
    read_cases,
    write_junit,
)
from entrypoints.cli.client import Json, ServiceClient
from entrypoints.cli.connection import connect, explain_waiting, server_option
from entrypoints.cli.errors import ExitCode, Failure, in_language
from entrypoints.cli.files import save_artifacts
from entrypoints.cli.input_files import read_text
from entrypoints.cli.interruption import Interrupted, interruptible
from entrypoints.cli.program_options import ProgramOptions, language_of, program_input, program_options
from entrypoints.cli.program_output import ProgramOutput, discard_output, follow
from entrypoints.cli.terminal import Progress, note, one_line, print_json, printable
from entrypoints.cli.values import Choice

_EXIT_CODES = 256
_BY_STATUS = {"SUCCESS": ExitCode.OK, "TIMEOUT": ExitCode.TIMEOUT, "CANCELLED": ExitCode.INTERRUPTED}
_KINDS = tuple(kind.value for kind in CheckerKind if kind is not CheckerKind.PROGRAM)
# The code of a sentence with a remark, such as that the machine was busy. It has the figures already.
_WITH_REMARK = "outcomes.both"
# Reasons for which the service, and not the program, is responsible.
_SERVICE = {
    *("engine_unavailable", "engine_error", "worker_lost"),
    *("storage_error", "secrets_unavailable", "internal"),
}


@click.command(
    "run",
    epilog="Exit codes: the program's own; 128 plus the number of its signal; 124 on timeout; 130 when "
    "cancelled; 1 for a failure without an exit code; 2 for wrong usage; 3 for a failure of the service. "
    "With cases: 0 if all are accepted; 1 if not, or if compilation fails.",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--stdin",
    metavar="TEXT|@FILE|-",
    help="Standard input; by default, the input piped or redirected to this command.",
)
@click.option(
    "--artifacts-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Directory for saved artifacts; by default the current one.",
)
@click.option(
    "--cases",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Directory of test cases: inputs in *.in, expected outputs in *.out or *.ans.",
)
@click.option(
    "--case-set",
    metavar="NAME[@VERSION]",
    help="Case set of the project, stored with `case-sets put`.",
)
@click.option(
    "--stop-on",
    type=Choice(["first_failure", "never"]),
    help="With cases: when to skip the remaining ones.",
)
@click.option(
    "--checker",
    metavar="KIND|FILE",
    help=f"With cases: how outputs are compared: {', '.join(_KINDS)} (default: trimmed), or a program that "
    "gets the files of input, output and answer as arguments.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    help="With --checker float: allowed absolute or relative error of a number.",
)
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With cases: write a JUnit report to FILE.",
)
@click.option("--detach", "-d", is_flag=True, help="Print the job id and do not wait for the job to end.")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON instead of its output.")
@program_options
@server_option
def command(
    *,
    file: Path,
    args: tuple[str, ...],
    program: ProgramOptions,
    stdin: str | None,
    artifacts_dir: Path,
    cases: Path | None,
    case_set: str | None,
    stop_on: str | None,
    checker: str | None,
    tolerance: float | None,
    junit: Path | None,
    detach: bool,
    as_json: bool,
    server: str | None,
) -> None:
    """Run the program in FILE with the arguments after `--`, and exit with its exit code."""
    has_cases = cases is not None or case_set is not None
    given = {"--stop-on": stop_on, "--checker": checker, "--tolerance": tolerance, "--junit": junit}
    of_cases = next((name for name, value in given.items() if value is not None), None)
    if cases is not None and case_set is not None:
        raise Failure(text("cli.one_kind_of_cases"), ExitCode.USAGE)
    if not has_cases and of_cases is not None:
        raise Failure(text("cli.needs_cases", option=of_cases), ExitCode.USAGE)
    if has_cases and stdin is not None:
        raise Failure(text("cli.stdin_and_cases"), ExitCode.USAGE)
    if has_cases and program.artifacts:
        raise Failure(text("cli.artifacts_and_cases"), ExitCode.USAGE)
    given_stdin = b"" if has_cases else program_input(stdin, file)
    if detach and junit is not None:
        raise Failure(text("cli.junit_and_detach"), ExitCode.USAGE)
    job, contents = program.upload(file, args, given_stdin)
    if has_cases:
        told = {"case_set": case_set} if cases is None else {"cases": read_cases(cases)}
        job |= {**told, "stop_on": stop_on, "checker": _checker(checker, tolerance)}
    send = partial(ServiceClient.upload, job=job, files=contents, stdin=_as_file(job, given_stdin))
    if detach:
        _detach(send, server, as_json=as_json)
        return
    with interruptible():
        if as_json or has_cases:
            total = len(job.get("cases", ()))
            code = _follow(send, server, total, junit, file.name, artifacts_dir, as_json=as_json)
        else:
            with Progress(in_language(text("cli.running", file=one_line(file.name)))) as progress:
                code = _run(send, server, progress, artifacts_dir)
    sys.exit(code)


@click.command("upload")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--stdin",
    metavar="TEXT|@FILE|-",
    help="Standard input; by default, the input piped or redirected to this command.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
@program_options
@server_option
def upload(
    *,
    file: Path,
    args: tuple[str, ...],
    program: ProgramOptions,
    stdin: str | None,
    as_json: bool,
    server: str | None,
) -> None:
    """Upload the program in FILE with the arguments after `--`, and print the job id; `execute` runs it."""
    given_stdin = program_input(stdin)
    job, contents = program.upload(file, args, given_stdin)
    with connect(server, asks_engine=True) as client:
        uploaded = client.upload(job, contents, _as_file(job, given_stdin))
    _print_job(uploaded, as_json=as_json)


def _as_file(job: Json, stdin: bytes) -> bytes | None:
    return stdin if job["stdin"] is None else None


def _detach(send: Callable[[ServiceClient], Json], server: str | None, *, as_json: bool) -> None:
    with connect(server, asks_engine=True) as client:
        job = client.post(f"/api/execute/{send(client)['job_id']}")
    _print_job(job, as_json=as_json)
    explain_waiting(server)


def _print_job(job: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(job)
    else:
        click.echo(job["job_id"])


def _follow(
    send: Callable[[ServiceClient], Json],
    server: str | None,
    total: int,
    junit: Path | None,
    name: str,
    directory: Path,
    *,
    as_json: bool,
) -> int:
    """Run a program for cases, or only to print its job, without showing its output."""
    with connect(server, runs=True) as client:
        job_id = send(client)["job_id"]
        with case_progress(total) as progress:
            try:
                client.post(f"/api/execute/{job_id}")
                job = follow_cases(client, job_id, progress)
            except Interrupted as interrupted:
                _cancel(client, job_id)
                return ExitCode.SIGNAL + interrupted.signal
        save_artifacts(client, job, directory)
    if junit is not None:
        write_junit(junit, job, name)
    if as_json:
        print_json(job)
        return exit_code(job)
    print_verdicts(job)
    if job["data"]["reason"] == "compile_error":
        click.echo(printable(job["data"]["result"]["stderr"]), err=True, nl=False)
    _tell(job, explains=job["data"]["reason"] != "cases_failed")
    return exit_code(job)


def _checker(name: str | None, tolerance: float | None) -> Json | None:
    """Return a checker of a kind, or a checker program in a file.

    Raises:
        Failure: The name is neither, or a tolerance is given for a checker other than float.
    """
    if tolerance is not None and name != CheckerKind.FLOAT:
        raise Failure(text("cli.tolerance_of_float"), ExitCode.USAGE)
    if name is None:
        return None
    if name in _KINDS:
        return {"kind": name, "tolerance": tolerance}
    file = Path(name)
    if not file.exists():
        raise Failure(text("cli.no_checker", name=name, kinds=", ".join(_KINDS)), ExitCode.USAGE)
    return {"kind": CheckerKind.PROGRAM, "language": language_of(file), "code": read_text(file)}


def _run(
    send: Callable[[ServiceClient], Json], server: str | None, progress: Progress, directory: Path
) -> int:
    with connect(server, runs=True) as client:
        job_id = send(client)["job_id"]
        try:
            client.post(f"/api/execute/{job_id}")
            job = follow(client, job_id, ProgramOutput(is_raw=True, before_first=progress.stop))
        except Interrupted as interrupted:
            _cancel(client, job_id)  # first, because writing to a closed terminal fails
            progress.stop()
            return ExitCode.SIGNAL + interrupted.signal
        except BrokenPipeError:
            discard_output(sys.stdout)
            try:
                _cancel(client, job_id)
            except BrokenPipeError:  # stderr was redirected to the same pipe
                discard_output(sys.stderr)
            return ExitCode.SIGNAL + signal.SIGPIPE
        progress.stop()
        save_artifacts(client, job, directory)
    _tell(job)
    return exit_code(job)


def _tell(job: Json, *, explains: bool = True) -> None:
    if explains and (why := explanation(job)):
        note(why)
    if sys.stderr.isatty():
        click.secho(summary(job), err=True, dim=True)


def _cancel(client: ServiceClient, job_id: str) -> None:
    try:
        client.post(f"/api/cancel/{job_id}")
    except Failure as failure:  # the job may have ended meanwhile
        note(said_by(failure))
    else:
        note(text("cli.cancelled_job", id=job_id))


def exit_code(job: Json) -> int:
    """Return the exit code of the command, which is the program's if it has one."""
    result, reason = job["data"].get("result") or {}, job["data"]["reason"]
    if job["status"] in _BY_STATUS:
        return _BY_STATUS[job["status"]]
    if reason in _SERVICE:
        return ExitCode.SERVICE
    if result.get("signal"):
        return ExitCode.SIGNAL + int(result["signal"])
    # A process has only one byte for its exit code; a runner on another system may report more.
    return int(result.get("exit_code") or 0) % _EXIT_CODES or ExitCode.FAILED


def explanation(job: Json) -> Text | None:
    """Explain why a program did not end on its own; None if it did."""
    result, reason = job["data"].get("result") or {}, job["data"]["reason"]
    if reason in {None, "nonzero_exit"}:
        return None
    told, limit = text_of(result.get("error_text")), result.get("limit")
    sentence: Text | str = told or result.get("error_message") or job["message"]
    # A build has several limits with the same reason, and its message names the exceeded one.
    has_one_limit = reason in set(Reason) - {Reason.BUILD_LIMIT}
    if limit and has_one_limit and not (told and told.code == _WITH_REMARK):
        measured, allowed = (limit_figure(limit["name"], limit[figure]) for figure in ("measured", "allowed"))
        exceeded = text(f"job.explain_{reason}")
        sentence = text("cli.limit_measured", sentence=exceeded, measured=measured, allowed=allowed)
        if is_cut(limit["name"], limit["measured"], limit["allowed"]):
            sentence = text("cli.about", subject=exceeded, detail=text("job.more_than", allowed=allowed))
    return text("cli.with_reason", sentence=sentence, reason=reason)


def summary(job: Json) -> str:
    """Summarize the end of a job and its resource usage in one line."""
    resource = (job["data"].get("result") or {}).get("resource") or {}
    unknown = resource.get("unknown") or ()
    parts = [in_language(text(f"states.{job['status'].lower()}"))]
    if resource.get("execution_time_ms") is not None and "execution_time_ms" not in unknown:
        parts.append(duration(resource["execution_time_ms"]))
    if resource.get("memory_mb") is not None and "memory_mb" not in unknown:
        parts.append(f"{resource['memory_mb']:.1f} MiB")
    return ", ".join((*parts, in_language(text("cli.job", id=job["job_id"]))))
