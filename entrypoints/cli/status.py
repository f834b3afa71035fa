import rich_click as click

from entrypoints.cli.client import segment
from entrypoints.cli.connection import connect
from entrypoints.cli.options import json_option, print_json, server_option
from entrypoints.cli.tables import print_fields


@click.command("status")
@click.argument("job_id", metavar="JOB")
@click.option("--wait", type=click.FloatRange(0, 20), help="Wait up to this many seconds for its end.")
@json_option
@server_option
def command(*, job_id: str, wait: float | None, as_json: bool, server: str | None) -> None:
    """Say where a job stands."""
    with connect(server) as client:
        status = client.get(f"/api/jobs/{segment(job_id)}/status", wait=wait)
    if as_json:
        print_json(status)
    else:
        print_fields(status.items())
