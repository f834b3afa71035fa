import time

import rich_click as click

from entrypoints.cli.client import Json, ServiceClient
from entrypoints.cli.connection import connect
from entrypoints.cli.options import json_option, print_json, server_option
from entrypoints.cli.tables import print_table

# A service that has just started asks the languages' compilers for their versions for a moment.
_ASKING_S = 5
_ASK_AGAIN_S = 0.1


@click.command("languages")
@json_option
@server_option
def command(*, as_json: bool, server: str | None) -> None:
    """List the languages that programs may be written in."""
    with connect(server) as client:
        languages = known_languages(client)
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


def known_languages(client: ServiceClient) -> Json:
    """Return the languages, with the versions of those that are there."""
    deadline = time.monotonic() + _ASKING_S
    while True:
        languages = client.get("/api/languages")
        is_known = all(language["version"] for language in languages if language["available"])
        if is_known or time.monotonic() > deadline:
            return languages
        time.sleep(_ASK_AGAIN_S)
