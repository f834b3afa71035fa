"""The command `health`, the health check of a container, which is cheap enough to run every few seconds."""

import http.client
import os
from http import HTTPStatus

import rich_click as click

from domain.catalogue.text import text
from entrypoints.cli.errors import ExitCode, Failure, fault_of

# Read separately, because reading all settings takes five times as long as the rest of the command.
_HOST, _PORT = ("SERVER_HOST", "127.0.0.1"), ("SERVER_PORT", "8000")
_METRICS_HOST, _METRICS_PORT = (
    ("SERVICE_SERVER_METRICS_HOST", "127.0.0.1"),
    ("SERVICE_SERVER_METRICS_PORT", ""),
)
_PATH = "/health/live"
_TIMEOUT_S = 4.0
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - connected to, not listened on


@click.command("health", epilog="Settings are read from the environment, and not from a file .env.")
@click.option(
    "--worker",
    "is_worker",
    is_flag=True,
    help="Check a worker, at SERVICE_SERVER_METRICS_PORT, instead of the API process at SERVER_PORT.",
)
def command(*, is_worker: bool) -> None:
    """Check the health of the API process or the worker on this machine; exit with 1 if it is not healthy."""
    host = _setting(_METRICS_HOST if is_worker else _HOST)
    port = _setting(_METRICS_PORT if is_worker else _PORT)
    if not port.isdecimal():
        raise Failure(
            text("cli.no_health_port", setting=_METRICS_PORT[0] if is_worker else _PORT[0]), ExitCode.FAILED
        )
    _ask(_ANY_ADDRESS.get(host, host), int(port))


def _setting(setting: tuple[str, str]) -> str:
    name, default = setting
    return os.environ.get(name) or default


def _ask(host: str, port: int) -> None:
    """Check the health at an address.

    Raises:
        Failure: There is no answer, or the answer is not 200.
    """
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", _PATH)
        status = connection.getresponse().status
    except OSError as error:
        raise _unhealthy(host, port, fault_of(error)) from error
    except http.client.HTTPException as error:
        raise _unhealthy(host, port, type(error).__name__) from error
    finally:
        connection.close()
    if status != HTTPStatus.OK:
        raise _unhealthy(host, port, f"HTTP {status}")


def _unhealthy(host: str, port: int, detail: object) -> Failure:
    return Failure(text("cli.unhealthy", host=host, port=port, detail=detail), ExitCode.FAILED)
