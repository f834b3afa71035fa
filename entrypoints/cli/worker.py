import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from threading import Event

import rich_click as click

from entrypoints.cli.failure import Failure
from entrypoints.cli.logging_setup import configure_logging
from entrypoints.cli.parts import parts
from entrypoints.cli.running import running
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.container import build_container

_STOPPING = (signal.SIGINT, signal.SIGTERM)


@click.command("worker")
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="How many.")
@click.option("--threads", type=click.IntRange(1, 256), help="Programs at once in each process.")
def command(processes: int, threads: int | None) -> None:
    """Run what the API accepts, in processes of their own, until SIGTERM or Ctrl-C."""
    if processes == 1:
        _work(threads)
    else:
        _supervise(processes, [] if threads is None else ["--threads", str(threads)])


def _work(threads: int | None) -> None:
    settings = load_settings()
    if threads is not None:
        settings = settings.model_copy(update={"worker_threads": threads})
    configure_logging(settings.log_level)
    container = build_container(settings, load_limits())
    stopping = Event()
    for number in _STOPPING:
        signal.signal(number, lambda *_: stopping.set())
    with running(container, works=True):
        click.echo(f"Working on {settings.worker_threads} threads")
        for name, what in parts(settings):
            click.echo(f"  {name:<9} {what}")
        stopping.wait()


def _supervise(processes: int, options: list[str]) -> None:
    """Start workers, and end all with the first that ends: whoever started this may start it again."""
    command_line = [sys.argv[0], "worker", *options]
    workers = [subprocess.Popen(command_line) for _ in range(processes)]  # noqa: S603 - this program
    was_asked = Event()

    def stop(*_: object) -> None:
        was_asked.set()
        _terminate(workers)

    for number in _STOPPING:
        signal.signal(number, stop)
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    _terminate(workers)
    codes = [worker.wait() for worker in workers]
    if not was_asked.is_set():
        raise Failure(f"a worker ended by itself; all ended with {', '.join(map(str, codes))}")


def _terminate(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    for worker in workers:
        worker.terminate()
