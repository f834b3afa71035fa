"""The connection of a command to a server or to a service inside this process."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click
from click.core import ParameterSource

from domain.api_key import KeyText
from domain.catalogue.text import text
from domain.errors import InvalidValue
from entrypoints.cli.client import ServiceClient
from entrypoints.cli.errors import ExitCode, Failure, fault_of
from entrypoints.cli.terminal import note

F = TypeVar("F", bound=Callable[..., Any])
SERVER_VARIABLE = "SERVICE_SERVER_SERVER_URL"
KEY_VARIABLE = "SERVICE_SERVER_API_KEY"
_KEY_FILE = "service-server.api-key-file"
_SERVER = "service-server.server"


def server_option(function: F) -> F:
    """Add the option --server, and --api-key-file for a server that needs a key.

    There is no option for the key itself, because other users of the machine see the arguments of commands.
    """
    with_key_file = click.option(
        "--api-key-file",
        type=click.Path(path_type=Path),
        callback=_remember_key_file,
        expose_value=False,
        help=f"File with the API key for the server, instead of {KEY_VARIABLE}.",
    )(function)
    return click.option(
        "--server",
        envvar=SERVER_VARIABLE,
        show_envvar=True,
        callback=_remember_server,
        metavar="URL",
        help="Server to use instead of this machine.",
    )(with_key_file)


def _remember_server(context: click.Context, _option: click.Parameter, server: str | None) -> str | None:
    """Return the server on the command line, which may be between a group and its command."""
    if context.get_parameter_source("server") is ParameterSource.COMMANDLINE:
        context.meta[_SERVER] = server
    found: str | None = context.meta.get(_SERVER, server)
    return found


def _remember_key_file(context: click.Context, _option: click.Parameter, file: Path | None) -> None:
    context.meta[_KEY_FILE] = file or context.meta.get(_KEY_FILE)


def _api_key() -> KeyText | None:
    """Return the API key for a server, if there is one.

    Raises:
        Failure: The file cannot be read, or the file or the variable has no valid key.
    """
    context = click.get_current_context(silent=True)
    file: Path | None = None if context is None else context.meta.get(_KEY_FILE)
    source = KEY_VARIABLE if file is None else str(file)
    try:
        given = os.environ.get(KEY_VARIABLE) if file is None else file.read_text()
        return KeyText(given.strip()) if given else None
    except OSError as error:
        raise Failure(text("cli.cannot_read", file=source, detail=fault_of(error)), ExitCode.USAGE) from error
    except (InvalidValue, UnicodeDecodeError):
        raise Failure(text("cli.no_key_in", source=source), ExitCode.USAGE) from None


@contextmanager
def connect(server: str | None, *, runs: bool = False, asks_engine: bool = False) -> Iterator[ServiceClient]:
    """Connect to a server or, without one, to a service inside this process.

    Args:
        server: The URL of a server.
        runs: Whether the service inside this process runs the programs that the command uploads.
        asks_engine: Whether the command asks about the engine, or whether the engine accepts a program.
    """
    if server is not None:
        client = ServiceClient.at(server, _api_key())
        try:
            yield client
        finally:
            client.close()
        return
    from entrypoints.cli.embedded import serve_embedded  # noqa: PLC0415 - loads the whole service

    with serve_embedded(runs=runs, asks_engine=asks_engine) as client:
        yield client


def explain_waiting(server: str | None) -> None:
    """Explain which process will run a job that was submitted without a server and is not awaited."""
    if server is None:
        note(text("cli.not_run_here"))
