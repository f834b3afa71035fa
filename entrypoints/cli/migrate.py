"""The command `migrate`, which upgrades, downgrades or checks the schema of the database."""

from typing import NoReturn

import rich_click as click

from application.ports.database_schema import DatabaseSchema
from domain.catalogue.text import text
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.running import refuse_foreign_tables
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.cli.terminal import say
from entrypoints.container import build_container


@click.group("migrate")
@click.pass_context
def command(context: click.Context) -> None:
    """Upgrade, downgrade or check the database schema.

    The embedded database is migrated when the service starts; MySQL is migrated by `migrate up`.
    """
    context.obj = build_container(load_settings(), load_limits()).schema()


@command.command("up")
@click.pass_obj
def up(schema: DatabaseSchema) -> None:
    """Upgrade the schema to the newest revision."""
    schema.upgrade()
    revision = schema.revision()
    newer = text("cli.schema_at_newer", revision=revision)
    say(newer if schema.is_newer() else text("cli.schema_at", revision=revision))


@command.command("down")
@click.argument("revision")
@click.pass_obj
def down(schema: DatabaseSchema, revision: str) -> None:
    """Downgrade the schema to REVISION, or to `base`; data that only later revisions have is lost."""
    schema.downgrade(revision)
    say(text("cli.schema_at", revision=schema.revision() or "base"))


@command.command("current")
@click.pass_obj
def current(schema: DatabaseSchema) -> None:
    """Print the revision of the schema."""
    click.echo(schema.revision() or "base")


@command.command("check")
@click.pass_obj
def check(schema: DatabaseSchema) -> None:
    """Compare the schema with the one this version needs; exit with 1 if they differ."""
    refuse_foreign_tables(schema)
    differences = schema.differences()
    for difference in differences:
        click.echo(difference)
    if schema.is_newer():
        raise Failure(text("cli.schema_newer"), ExitCode.FAILED)
    if differences:
        _differs()
    say(text("cli.schema_right"))


def _differs() -> NoReturn:
    raise Failure(text("cli.schema_differs"), ExitCode.FAILED)
