"""The program `service-server`."""

import sys

import rich_click as click

from application.errors import ApplicationError, Conflict, NotFound, Unprocessable
from domain.errors import DomainError
from entrypoints.cli.commands import service_server
from entrypoints.cli.failure import ExitCode, Failure
from entrypoints.cli.plain_text import one_line


def main() -> None:
    """Run the command line; what goes wrong is told in a sentence."""
    try:
        service_server.main(prog_name="service-server")
    except Failure as failure:
        _end(str(failure), failure.exit_code)
    except (DomainError, Conflict, NotFound, Unprocessable) as error:
        _end(str(error), ExitCode.FAILED)
    except ApplicationError as error:
        _end(str(error), ExitCode.SERVICE)
    except Exception as error:
        if _is_debugging():
            raise
        _end(f"{type(error).__name__}: {error} (DEBUG=true shows where it comes from)", ExitCode.SERVICE)


def _is_debugging() -> bool:
    from entrypoints.cli.settings_report import load_settings  # noqa: PLC0415 - slows every command down

    try:
        return load_settings().debug
    except Failure:
        return False


def _end(message: str, exit_code: int) -> None:
    if message:
        click.echo(f"service-server: {one_line(message)}", err=True)
    sys.exit(exit_code)
