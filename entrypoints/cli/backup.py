from pathlib import Path

import rich_click as click

from entrypoints.cli.elsewhere import refuse_unless_embedded
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.container import build_container


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def command(file: Path) -> None:
    """Write the database, the code and the logs to FILE, a compressed tar archive.

    The service may run meanwhile. FILE appears when it is complete, in place of an older one.
    """
    settings = load_settings()
    refuse_unless_embedded(settings, "back up")
    backup = build_container(settings, load_limits()).backup_archive().write(file)
    click.echo(f"{file} has the database and {backup.objects} objects, in {backup.size} bytes")
