import rich_click as click

from entrypoints.cli.client import segment
from entrypoints.cli.connection import connect
from entrypoints.cli.options import json_option, print_json, server_option


@click.command("cancel")
@click.argument("job_id", metavar="JOB")
@json_option
@server_option
def command(*, job_id: str, as_json: bool, server: str | None) -> None:
    """Cancel a job and stop its program."""
    with connect(server) as client:
        job = client.post(f"/api/cancel/{segment(job_id)}")
    if as_json:
        print_json(job)
    else:
        click.echo(f"cancelled {job['job_id']}")
