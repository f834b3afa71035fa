"""Options that several commands share, and how they print data."""

from collections.abc import Callable
from typing import Any, TypeVar

import rich_click as click

from entrypoints.cli.plain_text import printable_json

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


def json_option(function: F) -> F:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def print_json(data: object) -> None:
    """Print data as indented JSON, with nothing in it that would act on a terminal."""
    click.echo(printable_json(data))
