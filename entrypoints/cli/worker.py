import logging
import multiprocessing
import os
import signal
import sys
from functools import partial
from threading import Event

import rich_click as click

from application.errors import ApplicationError
from entrypoints.cli.failure import ExitCode, Failure
from entrypoints.cli.logging_setup import configure_logging
from entrypoints.cli.parts import parts
from entrypoints.cli.running import running
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.container import build_container
from entrypoints.settings import Settings
from entrypoints.worker.processes import Processes

logger = logging.getLogger("service_server.worker")

_PARENT_IS_LOOKED_FOR_EVERY_S = 1.0


@click.command("worker")
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    help="Processes, of which one that dies is replaced.",
)
@click.option(
    "--threads", type=click.IntRange(1, 256), help="Programs at once in each, rather than the setting."
)
def command(processes: int, threads: int | None) -> None:
    """Run what the API accepts, in processes of their own, until SIGTERM or Ctrl-C."""
    settings = load_settings()
    if threads is not None:
        settings = settings.model_copy(update={"worker_threads": threads})
    configure_logging(settings.log_level)
    for name, what in parts(settings):
        click.echo(f"  {name:<9} {what}")
    if processes == 1:
        _work(settings)
    else:
        Processes(processes, partial(_work_as_one_of_many, settings)).run()


def _work(settings: Settings) -> None:
    container = build_container(settings, load_limits())
    stopping = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with running(container, works=True):
        click.echo(f"Working on {settings.worker_threads} threads, as process {os.getpid()}")
        parent = multiprocessing.parent_process()
        while not stopping.wait(_PARENT_IS_LOOKED_FOR_EVERY_S):
            if parent is not None and not parent.is_alive():
                logger.warning("the process that started this one is gone")
                break


def _work_as_one_of_many(settings: Settings) -> None:
    try:
        _work(settings)
    except (Failure, ApplicationError) as error:
        logger.error("%s", error)  # noqa: TRY400 - a sentence for the operator, as at the command line
        sys.exit(ExitCode.SERVICE)
