"""The commands `status`, `execute` and `languages`, each of which is a single call of the API."""

import time

import rich_click as click

from domain.catalogue.text import text_of as sentence_of
from entrypoints.cli.client import Json, ServiceClient, segment
from entrypoints.cli.columns import Column, yes_or_no
from entrypoints.cli.connection import connect, explain_waiting, server_option
from entrypoints.cli.program_options import program_input, text_of
from entrypoints.cli.terminal import (
    json_option,
    list_options,
    print_fields,
    print_json,
    print_table,
)
from entrypoints.cli.values import Seconds

# A service that has just started looks up the versions of languages for a moment.
_ASKING_S = 5
_ASK_AGAIN_S = 0.1


@click.command("status")
@click.argument("job_id", metavar="JOB")
@click.option("--wait", type=Seconds(20), help="Wait up to this long for the end, 20s at most.")
@json_option
@server_option
def status(*, job_id: str, wait: float | None, as_json: bool, server: str | None) -> None:
    """Print the status of a job."""
    with connect(server) as client:
        found = client.get(f"/api/jobs/{segment(job_id)}/status", wait=wait)
    if as_json:
        print_json(found)
    else:
        print_fields(found.items())


@click.command("execute")
@click.argument("job_id", metavar="JOB")
@click.option("--stdin", metavar="TEXT|@FILE|-", help="Standard input, instead of the uploaded one.")
@json_option
@server_option
def execute(*, job_id: str, stdin: str | None, as_json: bool, server: str | None) -> None:
    """Execute an uploaded job, and do not wait for it to end."""
    body = None if stdin is None else {"stdin": text_of(program_input(stdin))}
    with connect(server, asks_engine=True) as client:
        job = client.post(f"/api/execute/{segment(job_id)}", body)
    if as_json:
        print_json(job)
    else:
        click.echo(job["job_id"])
    explain_waiting(server)


@click.command("languages")
@list_options
@server_option
def languages(*, as_json: bool, server: str | None) -> None:
    """List the supported languages."""
    with connect(server, asks_engine=True) as client:
        listed = known_languages(client)
    if as_json:
        print_json(listed)
        return
    print_table(
        (Column.LANGUAGE, Column.FILES, Column.AVAILABLE, Column.VERSION, Column.UNAVAILABLE_BECAUSE),
        (
            (
                language["name"],
                "*" + language["extension"],
                yes_or_no(is_so=language["available"]),
                language["version"],
                sentence_of(language.get("unavailable_text")) or language["unavailable_because"],
            )
            for language in listed
        ),
    )


def known_languages(client: ServiceClient) -> Json:
    """Return the languages, after waiting for the versions of the installed ones."""
    deadline = time.monotonic() + _ASKING_S
    while True:
        found = client.get("/api/languages")
        is_awaited = any(language.get("version_pending") for language in found)
        if not is_awaited or time.monotonic() > deadline:
            return found
        time.sleep(_ASK_AGAIN_S)
