"""The connection of a command to a server, or to the same service inside this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import rich_click as click

from entrypoints.cli.client import ServiceClient

F = TypeVar("F", bound=Callable[..., Any])
SERVER_VARIABLE = "SERVICE_SERVER_SERVER_URL"


def server_option(function: F) -> F:
    """Add --server."""
    return click.option(
        "--server",
        envvar=SERVER_VARIABLE,
        show_envvar=True,
        metavar="URL",
        help="The server to speak to, rather than work on this machine.",
    )(function)


@contextmanager
def connect(server: str | None, *, runs: bool = False) -> Iterator[ServiceClient]:
    """Connect to a server or, if none is named, to the same service inside this process.

    Args:
        server: The URL of a server.
        runs: Whether the service inside this process runs the programs that this process uploads.
    """
    if server is not None:
        client = ServiceClient.at(server)
        try:
            yield client
        finally:
            client.close()
        return
    from entrypoints.cli.embedded import serve_embedded  # noqa: PLC0415 - loads the service, whole

    with serve_embedded(runs=runs) as client:
        yield client
