"""Options that several commands share, and how they print data."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import rich_click as click

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
    click.echo(json.dumps(data, indent=2, ensure_ascii=False).translate(_C1_CONTROLS))


# JSON escapes the C0 controls by itself (RFC 8259, 7), and leaves DEL and the C1 controls as they are.
_C1_CONTROLS = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}
