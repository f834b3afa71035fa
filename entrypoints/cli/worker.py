"""The command `worker`, which runs the background services without the API, in one or more processes."""

import logging
import os
import signal

import rich_click as click

from domain.catalogue.text import text
from entrypoints.cli.errors import in_language
from entrypoints.cli.logging_setup import configure_logging
from entrypoints.cli.metrics_port import serving_metrics
from entrypoints.cli.parts import parts
from entrypoints.cli.running import running
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.cli.terminal import aligned, say
from entrypoints.container import build_container
from entrypoints.settings import Settings
from entrypoints.settings_check import warnings
from entrypoints.topology import Topology
from entrypoints.worker.cpu_affinity import pinned_to_one_cpu
from entrypoints.worker.processes import Processes
from entrypoints.worker.stop_signals import stop_signals

_log = logging.getLogger("service_server.settings")


@click.command("worker")
@click.option(
    "--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Number of processes."
)
@click.option(
    "--threads", type=click.IntRange(1, 256), help="Number of programs that each process runs at once."
)
def command(processes: int, threads: int | None) -> None:
    """Run queued jobs until SIGTERM or Ctrl-C."""
    settings = load_settings()
    if threads is not None:
        settings = settings.model_copy(update={"worker_threads": threads})
    configure_logging(settings.log_level, settings.line_format)
    for warning in warnings(settings, os.environ):
        _log.warning("%s", warning)
    if processes == 1:
        _work(settings)
    else:
        Processes(processes, lambda: _work(settings, processes)).run()


def _work(settings: Settings, processes: int = 1) -> None:
    topology = Topology.of_worker(settings)
    container = build_container(settings, load_limits(), topology)
    background_services = container.background_services()
    told_to_stop = listen_for_signals()
    with (
        pinned_to_one_cpu(wanted=settings.one_processor),
        running(background_services, topology, container.schema()),
        serving_metrics(
            settings, container.measurements(), processes, is_stuck=background_services.are_stuck
        ),
    ):
        say(text("cli.working", count=settings.worker_threads))
        for line in aligned([(in_language(name), in_language(what)) for name, what in parts(settings)]):
            click.echo(f"  {line}")
        os.read(told_to_stop, 1)


def listen_for_signals() -> int:
    """Return a descriptor that becomes readable with the first signal to stop.

    A signal may interrupt the handler of another one, so the handlers must not use anything that has a lock.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in stop_signals():
        signal.signal(number, lambda *_: None)
    return reader
