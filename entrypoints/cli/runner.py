"""The command `runner`, which runs the programs of services that use it as their runner."""

import os

import rich_click as click

from domain.catalogue.text import text
from entrypoints.cli.errors import ExitCode, Failure, fault_of
from entrypoints.cli.logging_setup import configure_logging
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.cli.terminal import say
from entrypoints.cli.worker import listen_for_signals
from entrypoints.container import build_container
from entrypoints.runner_server import RunnerServer
from entrypoints.settings import Settings, variable
from entrypoints.topology import Topology
from entrypoints.worker.background_services import Background


@click.command(
    "runner",
    epilog="A runner asks for no key: let only services reach it, by their EXECUTION_ENGINE_BASE_URL.",
)
def command() -> None:
    """Run programs for other services on SERVER_HOST and SERVER_PORT, with code from AWS_CODE_BUCKET."""
    settings = load_settings()
    if settings.code_bucket is None:
        raise Failure(text("cli.runner_needs", setting=variable(Settings, "code_bucket")), ExitCode.USAGE)
    if settings.uses_runners:
        raise Failure(text("cli.runner_of_runners", setting=variable(Settings, "engine_url")), ExitCode.USAGE)
    configure_logging(settings.log_level, settings.line_format)
    limits = load_limits()
    container = build_container(settings, limits, Topology.of_command(settings, runs_programs=True))
    engine = container.engine()
    told_to_stop = listen_for_signals()
    if isinstance(engine, Background):
        engine.start()
    try:
        server = _listen(settings, RunnerServer(engine, limits, settings.worker_threads))
        server.start()
        say(text("cli.runner_listens", host=settings.host, port=server.port, count=settings.worker_threads))
        os.read(told_to_stop, 1)
        server.stop(settings.drain_s)
    finally:
        if isinstance(engine, Background):
            engine.stop()


def _listen(settings: Settings, server: RunnerServer) -> RunnerServer:
    try:
        server.listen(settings.host, settings.port)
    except OSError as error:
        host, port, fault = settings.host, settings.port, fault_of(error)
        raise Failure(text("cli.runner_cannot_listen", host=host, port=port, detail=fault)) from error
    return server
