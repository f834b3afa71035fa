"""The health check of a container."""

import socket
from contextlib import closing

import pytest
from click.testing import CliRunner

from adapters.prometheus.measurements import PrometheusMeasurements
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.health import command
from entrypoints.metrics_server import MetricsServer
from entrypoints.settings import Settings, variable
from tests.support.settings import settings_of

_API = ("host", "port"), ()
_WORKER = ("metrics_host", "metrics_port"), ("--worker",)


@pytest.fixture
def is_stuck():
    """One truth value: whether the process at `port` is stuck."""
    return [False]


@pytest.fixture
def port(is_stuck):
    """The port of a process."""
    server = MetricsServer(PrometheusMeasurements("1"), "127.0.0.1", [0], is_stuck=lambda: is_stuck[0])
    server.start()
    yield server.port
    server.stop()


def _asked(monkeypatch, process, *, host=None, port=None):
    (host_field, port_field), options = process
    for field, value in ((host_field, host), (port_field, port)):
        name = variable(Settings, field)
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, str(value))
    result = CliRunner().invoke(command, options)
    if isinstance(result.exception, Failure):
        raise result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize("process", [_API, _WORKER], ids=["api", "worker"])
@pytest.mark.parametrize("host", [None, "", "127.0.0.1", "0.0.0.0"])  # noqa: S104 - it listens there
def test_a_process_is_found_where_its_settings_have_it_listen(monkeypatch, port, process, host):
    assert _asked(monkeypatch, process, host=host, port=port) == (ExitCode.OK, "")


def test_a_process_that_is_stuck_is_not_healthy(monkeypatch, port, is_stuck):
    is_stuck[0] = True

    with pytest.raises(Failure, match=f"port {port}: HTTP 503") as failure:
        _asked(monkeypatch, _WORKER, port=port)
    assert failure.value.exit_code == ExitCode.FAILED


def test_neither_is_one_that_does_not_listen(monkeypatch):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        free = listener.getsockname()[1]
    with pytest.raises(Failure, match=f"port {free}: connection refused"):
        _asked(monkeypatch, _API, port=free)


def test_a_worker_without_a_port_is_asked_for_one(monkeypatch):
    with pytest.raises(Failure, match="set SERVICE_SERVER_METRICS_PORT"):
        _asked(monkeypatch, _WORKER)


def test_defaults_are_those_of_the_settings(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("entrypoints.cli.health._ask", lambda *address: asked.append(address))
    settings = settings_of(data_dir=tmp_path)

    _asked(monkeypatch, _API)

    assert asked == [(settings.host, settings.port)]
