"""The command `logs`, which prints the output of a job's program."""

import json

import rich_click as click

from domain.catalogue.text import text
from entrypoints.cli.client import Json, ServiceClient, segment
from entrypoints.cli.connection import connect, server_option
from entrypoints.cli.errors import ExitCode, Failure, in_language
from entrypoints.cli.program_output import ProgramOutput, follow
from entrypoints.cli.terminal import Progress, json_option, note, print_json


@click.command("logs")
@click.argument("job_id", metavar="JOB")
@click.option("--follow", "follows", is_flag=True, help="Follow the output until the program ends.")
@json_option
@server_option
def command(*, job_id: str, follows: bool, as_json: bool, server: str | None) -> None:
    """Print the output of a job: its stdout to stdout, its stderr to stderr."""
    if follows and as_json:
        raise Failure(text("cli.json_or_follow"), ExitCode.USAGE)
    with connect(server) as client:
        status = client.get(f"/api/jobs/{segment(job_id)}/status")
        if follows:
            _follow(client, status, is_live=server is not None or _hears_of_others())
        elif as_json:
            print_json(_log(client, status))
        else:
            ProgramOutput(is_raw=False).take_log(_log(client, status))


def _log(client: ServiceClient, status: Json) -> Json:
    if status["log_key"] is None:
        raise Failure(text("cli.no_log", status=status["status"]), ExitCode.FAILED)
    return json.loads(client.get("/api/log", log_key=status["log_key"]))


def _follow(client: ServiceClient, status: Json, *, is_live: bool) -> None:
    job_id = status["job_id"]
    if not is_live and status["completed_at"] is None:
        note(text("cli.not_live"))
    try:
        with Progress(in_language(text("cli.following", id=job_id))) as progress:
            follow(client, job_id, ProgramOutput(is_raw=False, before_first=progress.stop))
    except KeyboardInterrupt:
        raise Failure(text("cli.stopped_following", id=job_id), ExitCode.INTERRUPTED) from None


def _hears_of_others() -> bool:
    """Return whether this process receives the output of other processes, which needs Redis."""
    from entrypoints.cli.settings_report import load_settings  # noqa: PLC0415 - slow to load
    from entrypoints.topology import Topology  # noqa: PLC0415 - likewise

    return Topology.of_command(load_settings(), runs_programs=False).shares_queue
