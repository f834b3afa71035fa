"""Metrics on a port of their own."""

import socket
from contextlib import ExitStack, closing, contextmanager
from threading import Thread

import httpx
import pytest

from adapters.prometheus.measurements import PrometheusMeasurements
from application.metrics import LEASES_EXPIRED
from entrypoints.cli.errors import Failure
from entrypoints.cli.metrics_port import serving_metrics
from entrypoints.metrics_server import REQUESTS_AT_ONCE, MetricsServer
from tests.support.failing import Failing
from tests.support.no_tls import NO_TLS
from tests.support.processes import PATIENCE_S, eventually
from tests.support.settings import settings_of


@contextmanager
def started(measurements, *, ports=(0,), **options):
    server = MetricsServer(measurements, "127.0.0.1", ports, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def get(server, path="/metrics", **headers):
    return httpx.get(f"http://127.0.0.1:{server.port}{path}", headers=headers, verify=NO_TLS)


def test_metrics_are_served_in_the_format_that_is_asked_for():
    measurements = PrometheusMeasurements("1")
    measurements.count(LEASES_EXPIRED, by=3)
    with started(measurements) as server:
        text, openmetrics = get(server), get(server, Accept="application/openmetrics-text")

    assert "service_server_leases_expired_total 3.0" in text.text
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert openmetrics.text.endswith("# EOF\n")


def test_there_is_nothing_else():
    with started(PrometheusMeasurements("1")) as server:
        answers = [get(server, "/").status_code, get(server, "/metrics?name=x").status_code]
        posted = httpx.post(f"http://127.0.0.1:{server.port}/metrics", verify=NO_TLS).status_code

    assert answers == [404, 200]
    assert posted == 501


def test_health_says_whether_the_process_is_stuck():
    stuck = [False]
    with started(PrometheusMeasurements("1"), is_stuck=lambda: stuck[0]) as server:
        well = get(server, "/health/live")
        stuck[0] = True
        ill = get(server, "/health/live")

    assert (well.status_code, well.json()) == (200, {"status": "live"})
    assert (ill.status_code, ill.json()) == (503, {"status": "stuck"})


def test_callers_that_send_nothing_do_not_take_ever_more_threads():
    measurements = PrometheusMeasurements("1")
    with started(measurements, read_timeout_s=PATIENCE_S) as server, ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE_S))
            for _ in range(REQUESTS_AT_ONCE + 1)
        ]
        # There is no room for the last one, and there is when another leaves.
        assert silent.pop().recv(1) == b""
        silent.pop().close()
        assert eventually(lambda: is_answered(server))


def is_answered(server) -> bool:
    try:
        return get(server).status_code == 200
    except httpx.TransportError:
        return False


def test_callers_are_answered_again_once_threads_can_be_started_again(monkeypatch):
    refused, start = [], Thread.start

    def start_later(thread):
        if len(refused) > REQUESTS_AT_ONCE:
            start(thread)
            return
        refused.append(thread)
        raise RuntimeError("can't start new thread")

    with started(PrometheusMeasurements("1")) as server:
        monkeypatch.setattr(Thread, "start", start_later)
        assert eventually(lambda: is_answered(server))
    assert len(refused) > REQUESTS_AT_ONCE


def test_an_error_is_logged_and_ends_no_server(monkeypatch, caplog):
    measurements = PrometheusMeasurements("1")
    with started(measurements) as server:
        with monkeypatch.context() as patched:
            patched.setattr(measurements, "expose", Failing(ZeroDivisionError()).expose)
            assert not is_answered(server)
        assert is_answered(server)

    assert "metrics could not be sent to 127.0.0.1" in caplog.text


def test_each_of_several_processes_takes_a_port_of_its_own():
    measurements = PrometheusMeasurements("1")
    with started(measurements) as probe:
        free = probe.port
    with (
        started(measurements, ports=range(free, free + 3)) as first,
        started(measurements, ports=range(free, free + 3)) as second,
    ):
        assert first.port != second.port
        assert {first.port, second.port} <= set(range(free, free + 3))


def test_a_port_that_is_taken_stops_the_start_with_the_settings_name(tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        settings = settings_of(data_dir=tmp_path, metrics_port=taken.getsockname()[1])
        with (
            pytest.raises(Failure, match="already in use; SERVICE_SERVER_METRICS_PORT chooses another port"),
            serving_metrics(settings, PrometheusMeasurements("1")),
        ):
            pass


def test_without_a_port_there_is_no_server(tmp_path):
    with serving_metrics(settings_of(data_dir=tmp_path), PrometheusMeasurements("1")):
        pass
