import json

import rich_click as click

from entrypoints.cli.client import segment
from entrypoints.cli.connection import connect
from entrypoints.cli.failure import ExitCode, Failure
from entrypoints.cli.following import follow
from entrypoints.cli.options import json_option, print_json, server_option
from entrypoints.cli.program_output import ProgramOutput


@click.command("logs")
@click.argument("job_id", metavar="JOB")
@click.option("--follow", "follows", is_flag=True, help="Print what it writes until it has ended.")
@json_option
@server_option
def command(*, job_id: str, follows: bool, as_json: bool, server: str | None) -> None:
    """Print what a job's program wrote: its stdout to stdout, its stderr to stderr."""
    job_id = segment(job_id)
    with connect(server) as client:
        if follows:
            follow(client, job_id, ProgramOutput(is_raw=False))
            return
        status = client.get(f"/api/jobs/{job_id}/status")
        if status["log_key"] is None:
            raise Failure(f"the job is {status['status']} and has no log", ExitCode.FAILED)
        log = json.loads(client.get("/api/log", log_key=status["log_key"]))
    if as_json:
        print_json(log)
    else:
        ProgramOutput(is_raw=False).take_log(log)
