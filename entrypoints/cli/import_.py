"""The command `import`, which imports the data of the service that this one replaces."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import rich_click as click

from domain.catalogue.text import Text, text
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.cli.terminal import print_fields, say
from entrypoints.container import build_container


@click.command("import")
@click.option(
    "--from",
    "source",
    metavar="DATABASE",
    help="Database of the replaced service: its name, if it is on the same server, or mysql://HOST:PORT/NAME,"
    " where AWS_RDS_USERNAME and AWS_RDS_PASSWORD are used as well. By default, the database of the current "
    "settings.",
)
@click.option(
    "--zone",
    default="UTC",
    show_default=True,
    help="Time zone of times without one, such as Asia/Seoul or +09:00.",
)
@click.option(
    "--dry-run", is_flag=True, help="Read everything, write nothing, and print what would be imported."
)
@click.option(
    "--set-aside",
    is_flag=True,
    help="Rename tables that have names of this service's to legacy_..., then import from them. Stop the "
    "replaced service first.",
)
def command(*, source: str | None, zone: str, dry_run: bool, set_aside: bool) -> None:
    """Import projects, jobs and results of the service that this one replaces.

    The source database is only read. The import may be interrupted and repeated: it adds rows and results
    that are new there, and leaves all others unchanged. Rows that cannot be imported are named with the
    reason.
    """
    if set_aside and (dry_run or source is not None):
        raise Failure(text("cli.set_aside_alone"), ExitCode.USAGE)
    container = build_container(load_settings(), load_limits())
    importing = container.legacy_import(source=source, zone=_zone(zone), dry_run=dry_run, tell=_tell)
    if set_aside:
        for name in importing.set_aside():
            _tell(text("import.about_renaming"), name)
    counts = importing.run()
    click.echo()
    say(text("cli.would_import") if dry_run else text("cli.imported"))
    print_fields((text(f"import.count_{name}"), number) for name, number in counts.items())


def _tell(about: Text | str, sentence: Text | str) -> None:
    say(text("cli.about", subject=about, detail=sentence))


def _zone(given: str) -> tzinfo:
    if given.upper() == "UTC":
        return UTC
    try:
        zone = datetime.fromisoformat(f"2000-01-01T00:00:00{given}").tzinfo
    except ValueError:
        zone = None
    try:
        return zone or ZoneInfo(given)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Failure(text("cli.no_zone", zone=given), ExitCode.USAGE) from None
