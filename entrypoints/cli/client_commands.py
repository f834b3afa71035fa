"""The commands that are one call of the API: status, cancel, rerun, projects, languages."""

import time
from pathlib import Path

import rich_click as click

from entrypoints.cli.client import Json, ServiceClient, segment
from entrypoints.cli.connection import connect, explain_waiting, server_option
from entrypoints.cli.input_files import read_text
from entrypoints.cli.terminal import json_option, list_options, print_fields, print_json, print_table

# A service that has just started asks the languages' compilers for their versions for a moment.
_ASKING_S = 5
_ASK_AGAIN_S = 0.1


@click.command("status")
@click.argument("job_id", metavar="JOB")
@click.option("--wait", type=click.FloatRange(0, 20), help="Wait up to this many seconds for its end.")
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


@click.command("cancel")
@click.argument("job_id", metavar="JOB")
@json_option
@server_option
def cancel(*, job_id: str, as_json: bool, server: str | None) -> None:
    """Cancel a job and stop its program."""
    with connect(server) as client:
        job = client.post(f"/api/cancel/{segment(job_id)}")
    if as_json:
        print_json(job)
    else:
        click.echo(f"cancelled {job['job_id']}")


@click.command("rerun")
@click.argument("job_id", metavar="JOB")
@click.option(
    "--stdin", "stdin_file", type=click.Path(path_type=Path), help="A file with other input; `-` for stdin."
)
@click.option("--arg", "args", multiple=True, help="Other arguments; may be repeated.")
@json_option
@server_option
def rerun(
    *, job_id: str, stdin_file: Path | None, args: tuple[str, ...], as_json: bool, server: str | None
) -> None:
    """Run a job again as a new job, with other input or arguments if they are given."""
    changes: dict[str, Json] = {}
    if stdin_file is not None:
        changes["stdin"] = read_text(Path("/dev/stdin") if stdin_file == Path("-") else stdin_file)
    if args:
        changes["args"] = list(args)
    with connect(server) as client:
        job = client.post(f"/api/jobs/{segment(job_id)}/rerun", changes)
    if as_json:
        print_json(job)
    else:
        click.echo(f"job {job['job_id']} runs {job_id} again")
    explain_waiting(server)


@click.command("projects")
@list_options
@server_option
def projects(*, as_json: bool, server: str | None) -> None:
    """List projects."""
    with connect(server) as client:
        listed = client.get("/api/projects")
    if as_json:
        print_json(listed)
        return
    print_table(
        ("ID", "PROJECT", "DESCRIPTION"),
        ((project["project_id"], project["project"], project["description"]) for project in listed),
    )


@click.command("languages")
@list_options
@server_option
def languages(*, as_json: bool, server: str | None) -> None:
    """List the languages that programs may be written in."""
    with connect(server) as client:
        listed = known_languages(client)
    if as_json:
        print_json(listed)
        return
    print_table(
        ("LANGUAGE", "FILES", "AVAILABLE", "VERSION", "UNAVAILABLE BECAUSE"),
        (
            (
                language["name"],
                "*" + language["extension"],
                "yes" if language["available"] else "no",
                language["version"],
                language["unavailable_because"],
            )
            for language in listed
        ),
    )


def known_languages(client: ServiceClient) -> Json:
    """Return the languages, with the versions of the installed ones."""
    deadline = time.monotonic() + _ASKING_S
    while True:
        found = client.get("/api/languages")
        is_known = all(language["version"] for language in found if language["available"])
        if is_known or time.monotonic() > deadline:
            return found
        time.sleep(_ASK_AGAIN_S)
