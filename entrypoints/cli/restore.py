from pathlib import Path

import rich_click as click

from entrypoints.cli.elsewhere import refuse_unless_embedded
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.container import build_container


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def command(file: Path) -> None:
    """Unpack FILE, which `backup` wrote, into a data directory that has no data yet.

    Start the service afterwards: what waited when the backup was made runs then.
    """
    settings = load_settings()
    refuse_unless_embedded(settings, "restore")
    backup = build_container(settings, load_limits()).backup_archive().restore(file)
    click.echo(f"the database and {backup.objects} objects are in {settings.data_dir}")
