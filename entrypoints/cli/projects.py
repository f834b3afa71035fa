"""The command `projects`, which lists, creates, archives, restores and deletes projects by the HTTP API."""

from collections.abc import Sequence

import rich_click as click
from msgspec.json import encode

from domain.catalogue.text import text
from entrypoints.cli import retention
from entrypoints.cli.client import Json, segment
from entrypoints.cli.columns import Column
from entrypoints.cli.confirmation import confirm, yes_option
from entrypoints.cli.connection import connect, server_option
from entrypoints.cli.terminal import json_option, list_options, print_fields, print_json, print_table

_project_argument = click.argument("project", metavar="PROJECT")


@click.group("projects", invoke_without_command=True)
@list_options
@server_option
@click.pass_context
def command(ctx: click.Context, /, *, as_json: bool, server: str | None) -> None:
    """List projects, or create, archive, restore and delete one."""
    if ctx.invoked_subcommand is None:
        _list(server, as_json=as_json)


@command.command("list")
@list_options
@server_option
def list_all(*, as_json: bool, server: str | None) -> None:
    """List projects."""
    _list(server, as_json=as_json)


@command.command("create")
@_project_argument
@click.option("--description", metavar="TEXT", help="Description of the project.")
@json_option
@server_option
def create(*, project: str, description: str | None, as_json: bool, server: str | None) -> None:
    """Create a project; an existing one is left unchanged."""
    with connect(server) as client:
        created = client.post("/api/project", {"project_name": project, "description": description})
    _show(created, as_json=as_json)


@command.command("archive")
@_project_argument
@yes_option
@json_option
@server_option
def archive(*, project: str, is_sure: bool, as_json: bool, server: str | None) -> None:
    """Archive a project: it keeps its history and accepts no new jobs."""
    confirm(text("cli.archive_project", project=project), is_sure=is_sure)
    with connect(server) as client:
        _show(client.post(f"/api/projects/{segment(project)}/archive"), as_json=as_json)


@command.command("restore")
@_project_argument
@json_option
@server_option
def restore(*, project: str, as_json: bool, server: str | None) -> None:
    """Restore an archived project: it accepts jobs again."""
    with connect(server) as client:
        _show(client.post(f"/api/projects/{segment(project)}/restore"), as_json=as_json)


@command.command("delete")
@_project_argument
@click.option("--purge", is_flag=True, help="Delete its jobs with their code and logs too.")
@yes_option
@json_option
@server_option
def delete(*, project: str, purge: bool, is_sure: bool, as_json: bool, server: str | None) -> None:
    """Delete a project; without --purge, its jobs can still be read by their ids."""
    purged, kept = text("cli.purge_project", project=project), text("cli.delete_project", project=project)
    confirm(purged if purge else kept, is_sure=is_sure)
    with connect(server) as client:
        query = "?purge=true" if purge else ""
        _show(client.delete(f"/api/projects/{segment(project)}{query}"), as_json=as_json)


@command.command("retention", epilog=retention.EPILOG)
@_project_argument
@retention.days_argument
@retention.none_option
@json_option
@server_option
def set_retention(
    *, project: str, figures: Sequence[str], is_none: bool, as_json: bool, server: str | None
) -> None:
    """Set the whole retention policy of a project. Without figures, show it."""
    policy = retention.read_policy(figures, is_none=is_none)
    path = f"/api/projects/{segment(project)}/retention"
    with connect(server) as client:
        if policy is None:
            shown = client.get(path)
        else:
            shown = client.put(path, encode(policy.figures()), "application/json")
    retention.print_retention(shown, as_json=as_json)


def _list(server: str | None, *, as_json: bool) -> None:
    with connect(server) as client:
        listed = client.get("/api/projects")
    if as_json:
        print_json(listed)
        return
    print_table(
        (Column.ID, Column.PROJECT, Column.DESCRIPTION),
        ((project["project_id"], project["project"], project["description"]) for project in listed),
    )


def _show(project: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(project)
    else:
        print_fields(project.items())
