import signal
from threading import Event

import rich_click as click

from entrypoints.cli.logging_setup import configure_logging
from entrypoints.cli.parts import parts
from entrypoints.cli.running import running
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.container import build_container


@click.command("worker")
@click.option("--threads", type=click.IntRange(1, 256), help="Programs at once, rather than the setting.")
def command(threads: int | None) -> None:
    """Run what the API accepts, in a process of its own, until SIGTERM or Ctrl-C."""
    settings = load_settings()
    if threads is not None:
        settings = settings.model_copy(update={"worker_threads": threads})
    configure_logging(settings.log_level)
    container = build_container(settings, load_limits())
    stopping = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with running(container, works=True):
        click.echo(f"Working on {settings.worker_threads} threads")
        for name, what in parts(settings):
            click.echo(f"  {name:<9} {what}")
        stopping.wait()
