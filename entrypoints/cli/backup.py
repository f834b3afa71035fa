"""Backup of an embedded service: its database, code and logs in one file."""

from collections.abc import Callable
from pathlib import Path

import rich_click as click

from domain.catalogue.figures import size
from domain.catalogue.text import Text, text
from entrypoints.cli.errors import ExitCode, Failure, in_language
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.cli.terminal import say
from entrypoints.container import build_container
from entrypoints.settings import Settings


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Back up the database, the code and the logs to FILE, a compressed tar archive.

    The service may run meanwhile. An existing FILE is replaced once the backup is complete.
    """
    settings = load_settings()
    _refuse_unless_embedded(settings, lambda parts: text("cli.cannot_back_up", parts=parts))
    archive = build_container(settings, load_limits()).backup_archive().write(file)
    say(text("cli.backed_up", file=file, count=archive.objects, size=size(archive.size)))


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def restore(file: Path) -> None:
    """Restore FILE, written by `backup`, to an empty data directory.

    Start the service afterwards: it runs the jobs that were queued at the time of the backup.
    """
    settings = load_settings()
    _refuse_unless_embedded(settings, lambda parts: text("cli.cannot_restore", parts=parts))
    archive = build_container(settings, load_limits()).backup_archive().restore(file)
    say(text("cli.restored", count=archive.objects, directory=settings.data_dir))


def _refuse_unless_embedded(settings: Settings, refusal: Callable[[str], Text]) -> None:
    """Refuse a data directory that has only a part of the data.

    Raises:
        Failure: A part of the data is stored elsewhere.
    """
    elsewhere = (
        (text("cli.database_in_mysql"), settings.rds_host),
        (text("cli.code_in_s3"), settings.code_bucket),
        (text("cli.logs_in_s3"), settings.log_bucket),
    )
    found = [in_language(sentence) for sentence, name in elsewhere if name is not None]
    if found:
        raise Failure(refusal(", ".join(found)), ExitCode.FAILED)
