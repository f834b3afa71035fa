"""The same engine over TLS."""

import ssl
import threading
import time

import pytest

from application.errors import DependencyUnavailable
from tests.integration.http_engine.executions import (
    CANCELLED,
    SUCCESS,
    TIMEOUT,
    UNAVAILABLE,
    RememberingObserver,
    a_request,
    outcome,
)
from tests.support.certificate import self_signed
from tests.support.runner import FakeRunner, drip, hang

SLOWLY = b"x" * 1_000


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return self_signed(tmp_path_factory.mktemp("tls") / "runner.pem")


@pytest.fixture
def runner(certificate):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with FakeRunner(tls=tls) as running:
        yield running


@pytest.fixture
def engine(runner, certificate, make_engine, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return make_engine(runner.url)


def test_a_runner_that_is_trusted_runs_programs(runner, engine):
    for _ in range(3):
        assert outcome(engine.execute(a_request(), RememberingObserver())) == SUCCESS
    assert runner.connections == 1


def test_a_runner_that_is_not_trusted_is_sent_nothing(runner, make_engine):
    observer = RememberingObserver()

    report = make_engine(runner.url).execute(a_request(), observer)

    assert outcome(report) == UNAVAILABLE
    assert (observer.starts, list(runner.requests)) == (0, [])


def test_a_runner_that_is_not_trusted_is_not_well_and_its_certificate_is_the_cause(runner, make_engine):
    engine = make_engine(runner.url)

    with pytest.raises(
        DependencyUnavailable, match=r"its certificate is refused \(self-signed certificate\)"
    ):
        engine.check()


def test_a_certificate_for_another_name_is_the_cause_and_the_name_is_not_said(
    runner, certificate, make_engine, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    engine = make_engine(runner.url.replace("127.0.0.1", "localhost"))

    with pytest.raises(DependencyUnavailable, match=r"its certificate is refused \(it is for another name\)"):
        engine.check()


def test_the_job_s_time_is_for_the_whole_answer_here_too(runner, engine):
    runner.behaviour = drip(SLOWLY, every_s=0.02)
    began = time.monotonic()

    assert outcome(engine.execute(a_request(timeout_ms=300), RememberingObserver())) == TIMEOUT
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("behaviour", [hang, drip(SLOWLY, every_s=0.02)], ids=["waiting", "reading"])
def test_a_call_in_flight_ends_promptly_here_too(runner, engine, behaviour):
    arrived = threading.Event()

    async def behave(exchange):
        arrived.set()
        await behaviour(exchange)

    runner.behaviour = behave
    request = a_request(timeout_ms=60_000)
    reports = []
    thread = threading.Thread(target=lambda: reports.append(engine.execute(request, RememberingObserver())))
    thread.start()
    assert arrived.wait(90)
    began = time.monotonic()

    engine.cancel(request.execution_id, request.job_id)

    thread.join(90)
    assert time.monotonic() - began < 10
    assert [outcome(report) for report in reports] == [CANCELLED]
