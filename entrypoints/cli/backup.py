"""Backup of an embedded service: its database, code and logs in one file."""

from pathlib import Path

import rich_click as click

from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.container import build_container
from entrypoints.settings import Settings


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Write the database, the code and the logs to FILE, a compressed tar archive.

    The service may run meanwhile. FILE appears when it is complete, in place of an older one.
    """
    settings = load_settings()
    _refuse_unless_embedded(settings, "back up")
    archive = build_container(settings, load_limits()).backup_archive().write(file)
    click.echo(f"{file} has the database and {archive.objects} objects, in {archive.size} bytes")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def restore(file: Path) -> None:
    """Unpack FILE, written by `backup`, into a data directory that has no data yet.

    Start the service afterwards: jobs that waited at the time of the backup run then.
    """
    settings = load_settings()
    _refuse_unless_embedded(settings, "restore")
    archive = build_container(settings, load_limits()).backup_archive().restore(file)
    click.echo(f"the database and {archive.objects} objects are in {settings.data_dir}")


def _refuse_unless_embedded(settings: Settings, action: str) -> None:
    """Refuse to work on a data directory that holds a part of the data only.

    Raises:
        Failure: A part of the data is elsewhere.
    """
    elsewhere = {
        "the database is in MySQL (AWS_RDS_HOST)": settings.rds_host,
        "the code is in S3 (AWS_CODE_BUCKET)": settings.code_bucket,
        "the logs are in S3 (AWS_LOG_BUCKET)": settings.log_bucket,
    }
    found = [sentence for sentence, name in elsewhere.items() if name is not None]
    if found:
        raise Failure(
            f"cannot {action} what is not in the data directory: {', '.join(found)}. Use the tools of the "
            "database and of the object store; docs/production.md says how",
            ExitCode.FAILED,
        )
