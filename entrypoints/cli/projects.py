import rich_click as click

from entrypoints.cli.connection import connect
from entrypoints.cli.options import json_option, print_json, server_option
from entrypoints.cli.tables import print_table


@click.command("projects")
@json_option
@server_option
def command(*, as_json: bool, server: str | None) -> None:
    """List projects."""
    with connect(server) as client:
        projects = client.get("/api/projects")
    if as_json:
        print_json(projects)
        return
    print_table(
        ("ID", "PROJECT", "DESCRIPTION"),
        ((project["project_id"], project["project"], project["description"]) for project in projects),
    )
