import rich_click as click

from entrypoints.cli.connection import connect
from entrypoints.cli.options import json_option, print_json, server_option
from entrypoints.cli.tables import print_table


@click.command("languages")
@json_option
@server_option
def command(*, as_json: bool, server: str | None) -> None:
    """List the languages that programs may be written in."""
    with connect(server) as client:
        languages = client.get("/api/languages")
    if as_json:
        print_json(languages)
        return
    print_table(
        ("LANGUAGE", "FILES", "AVAILABLE", "VERSION", "WHY NOT"),
        (
            (
                language["name"],
                "*" + language["extension"],
                "yes" if language["available"] else "no",
                language["version"],
                language["unavailable_because"],
            )
            for language in languages
        ),
    )
