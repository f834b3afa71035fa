"""Runners that refuse, fail, lie, dawdle and pour: each has its outcome."""

import json
import socket
import threading
import time
import tracemalloc
from email.utils import formatdate

import pytest

from application.errors import DependencyUnavailable
from application.retry_policy import RetryPolicy
from tests.integration.http_engine.executions import (
    ENGINE_ERROR,
    INTERNAL,
    OUTPUT_LIMIT,
    SUCCESS,
    TIMEOUT,
    UNAVAILABLE,
    RememberingObserver,
    a_request,
    outcome,
)
from tests.support.runner import (
    drip,
    hang,
    head,
    in_turn,
    pours,
    replies,
    reset_at_once,
    reset_in_the_middle,
    runs,
)
from tests.support.silent_address import silent
from tests.support.tcp_proxy import TcpProxy, Traffic

ANSWER = json.dumps({"stdout": "x" * 1_000, "exit_code": 0}).encode()
SHORT_MS = 300
PATIENT = RetryPolicy((0.05,), is_endless=True)


@pytest.mark.parametrize(
    ("behaviour", "expected", "says"),
    [
        (replies(500, "Failed to fetch code"), ENGINE_ERROR, "The engine answered 500: Failed to fetch code"),
        (replies(500, '{"error": "no memory"}'), ENGINE_ERROR, "The engine answered 500: no memory"),
        (replies(502, "<html>nginx</html>", "text/html"), ENGINE_ERROR, "The engine answered 502."),
        (replies(504, ""), ENGINE_ERROR, "The engine answered 504."),
        (replies(400, "missing code_key"), ENGINE_ERROR, "The engine answered 400: missing code_key"),
        (replies(404, ""), ENGINE_ERROR, "The engine answered 404."),
        (replies(302, "", Location="http://127.0.0.1:1/"), ENGINE_ERROR, "The engine answered 302."),
        (replies(200, "it went well"), ENGINE_ERROR, "The engine's answer could not be read."),
        (replies(200, ""), ENGINE_ERROR, "The engine's answer could not be read."),
        (replies(204, ""), ENGINE_ERROR, "The engine's answer could not be read."),
        (replies(200, b"\x1f\x8b\x08\0garbage"), ENGINE_ERROR, "The engine's answer could not be read."),
        (replies(200, "[" * 100_000), ENGINE_ERROR, "The engine's answer could not be read."),
        (replies(200, '{"error": "no image"}'), ENGINE_ERROR, "without an outcome and said: no image"),
        (runs(code_key="other/main.py"), ENGINE_ERROR, "answered for another job"),
        (runs(job_id="0190"), ENGINE_ERROR, "answered for another job"),
        (runs(execution_id="0190"), ENGINE_ERROR, "answered for another job"),
        (reset_at_once, ENGINE_ERROR, "broke off before its answer was complete"),
        (reset_in_the_middle, ENGINE_ERROR, "broke off before its answer was complete"),
        (drip(b"HTTP/1.1 bogus\r\n\r\n", 0), ENGINE_ERROR, "broke off before its answer was complete"),
    ],
)
def test_a_failure_after_the_program_may_have_run_is_the_end_of_it(runner, engine, behaviour, expected, says):
    runner.behaviour = behaviour
    observer = RememberingObserver()

    report = engine.execute(a_request(), observer)

    assert outcome(report) == expected
    assert says in report.result.error_message
    assert "127.0.0.1" not in report.result.error_message
    assert len(runner.asked("/run")) == 1
    assert observer.starts == 1


@pytest.mark.parametrize("failure", [replies(500, ""), replies(200, "garbage"), reset_in_the_middle])
def test_an_execution_starts_its_program_once_whatever_the_job_allows(runner, engine, failure):
    runner.behaviour = in_turn(failure, runs())

    report = engine.execute(a_request(max_attempts=3), RememberingObserver())

    assert (outcome(report), report.is_lost) == (ENGINE_ERROR, True)
    assert len(runner.asked("/run")) == 1


@pytest.mark.parametrize("behaviour", [replies(400, ""), replies(503, ""), runs(), runs(stderr="failed")])
def test_a_program_that_did_not_run_or_came_to_its_end_is_not_lost(runner, engine, behaviour):
    runner.behaviour = behaviour

    assert not engine.execute(a_request(max_attempts=3), RememberingObserver()).is_lost


@pytest.mark.parametrize("status", [429, 503])
def test_an_engine_without_room_is_asked_again_because_nothing_has_started(runner, engine, status):
    runner.behaviour = in_turn(replies(status, "busy"), replies(status, "busy"), runs())

    assert outcome(engine.execute(a_request(), RememberingObserver())) == SUCCESS
    assert len(runner.asked("/run")) == 3


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("after", [lambda: "60", lambda: formatdate(time.time() + 60, usegmt=True)])
def test_an_engine_that_wants_to_be_left_alone_is_left_alone(runner, engine, status, after):
    runner.behaviour = replies(status, "busy", Retry_After=after())

    report = engine.execute(a_request(max_attempts=1), RememberingObserver())

    assert (outcome(report), report.is_startable, report.is_lost) == (UNAVAILABLE, True, False)
    assert engine.paused_languages() == {"python"}
    assert engine.execute(a_request(), RememberingObserver()).is_startable
    assert len(runner.asked("/run")) == 1


@pytest.mark.parametrize("after", ["0", "soon", "-1", "9" * 4_000, "Mon, 99 Foo 2026 99:99:99 GMT", "1.5"])
def test_a_rest_that_cannot_be_read_or_is_too_long_is_none_or_bounded(runner, engine, after):
    runner.behaviour = in_turn(replies(503, "busy", Retry_After=after), runs())

    report = engine.execute(a_request(), RememberingObserver())

    assert report.is_startable or outcome(report) == SUCCESS


def test_an_engine_that_never_has_room_is_unavailable(runner, engine):
    runner.behaviour = replies(503, "busy")

    observer = RememberingObserver()

    report = engine.execute(a_request(), observer)

    assert outcome(report) == UNAVAILABLE
    assert report.result.error_message == "The engine answered 503: busy (3 attempts)."
    assert report.is_startable
    assert report.is_refused
    assert (observer.starts, observer.delays) == (1, 0)


def test_a_program_keeps_its_place_if_its_runner_was_full_and_then_cannot_be_reached(runner, make_engine):
    runner.behaviour = replies(503, "busy", Connection="close")
    with TcpProxy(runner.port) as proxy:
        engine = make_engine(f"http://127.0.0.1:{proxy.port}", on_retry=proxy.close_port)

        report = engine.execute(a_request(), RememberingObserver())

    assert report.result.error_message == "The engine could not be reached (3 attempts)."
    assert report.is_startable
    assert not report.is_refused


def test_a_program_whose_start_cannot_be_recorded_is_not_sent(runner, engine):
    def fail():
        raise DependencyUnavailable("database", "it is restarting")

    observer = RememberingObserver(at_start=fail)

    report = engine.execute(a_request(max_attempts=3), observer)

    assert outcome(report) == INTERNAL
    assert "the database is unavailable" in report.result.error_message
    assert (observer.starts, runner.asked("/run")) == (1, [])
    assert outcome(engine.execute(a_request(), RememberingObserver())) == SUCCESS


def test_a_program_that_ended_with_an_unreadable_exit_code_has_not_succeeded(runner, engine):
    runner.behaviour = replies(200, '{"stdout": "hi", "stderr": "", "exit_code": "NaN"}')

    report = engine.execute(a_request(), RememberingObserver())

    assert outcome(report) == ENGINE_ERROR
    assert report.result.stdout.text == "hi"


def test_a_refused_connection_is_tried_again_and_nothing_is_said_to_have_started(engine_nowhere):
    observer = RememberingObserver()

    report = engine_nowhere().execute(a_request(), observer)

    assert outcome(report) == UNAVAILABLE
    assert report.result.error_message == "The engine could not be reached (3 attempts)."
    assert report.is_startable
    assert not report.is_refused
    assert (observer.starts, observer.delays) == (0, 3)


def test_a_name_that_nobody_knows_is_an_engine_out_of_reach(make_engine):
    report = make_engine("http://runner.invalid").execute(a_request(), RememberingObserver())
    assert outcome(report) == UNAVAILABLE
    assert "runner.invalid" not in report.result.error_message


def test_an_engine_that_comes_back_between_two_tries_runs_the_program(runner, make_engine):
    with TcpProxy(runner.port) as proxy:
        engine = make_engine(f"http://127.0.0.1:{proxy.port}", retries=PATIENT)
        proxy.close_port()
        opener = threading.Timer(0.1, proxy.open_port)
        opener.start()

        report = engine.execute(a_request(), RememberingObserver())

        opener.join()
        assert outcome(report) == SUCCESS
        assert len(runner.asked("/run")) == 1


def test_the_tries_end_with_the_job_s_time(engine_nowhere):
    engine = engine_nowhere(retries=PATIENT)
    began = time.monotonic()

    report = engine.execute(a_request(timeout_ms=SHORT_MS), RememberingObserver())

    assert outcome(report) == UNAVAILABLE
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "behaviour",
    [
        hang,
        drip(ANSWER, every_s=0.02),
        drip(head(200, "application/json", len(ANSWER)) + ANSWER, every_s=0.02),
    ],
    ids=["silence", "a byte now and then", "a byte of the headers now and then"],
)
def test_the_job_s_time_is_for_the_whole_answer(runner, engine, behaviour):
    runner.behaviour = behaviour
    runner.can_cancel = True
    request = a_request(timeout_ms=SHORT_MS)
    began = time.monotonic()

    report = engine.execute(request, RememberingObserver())

    assert SHORT_MS / 1000 <= time.monotonic() - began < SHORT_MS / 1000 + 10
    assert outcome(report) == TIMEOUT
    assert report.result.limit.name == "timeout_ms"
    assert report.result.limit.allowed == SHORT_MS <= report.result.limit.measured
    assert "did not answer within the time limit of" in report.result.error_message
    # The job may be another execution's by now: whether the engine is told is not for the engine's adapter.
    assert runner.asked("/cancel/") == []


def test_a_network_that_is_slow_makes_the_answer_late_and_no_worse(runner, make_engine):
    with TcpProxy(runner.port) as proxy:
        engine = make_engine(f"http://127.0.0.1:{proxy.port}")
        proxy.latency_s = 0.1
        began = time.monotonic()

        assert outcome(engine.execute(a_request(), RememberingObserver())) == SUCCESS

        assert time.monotonic() - began >= 0.2


def test_a_network_that_swallows_the_request_is_a_time_out_and_not_a_second_run(runner, make_engine):
    with TcpProxy(runner.port) as proxy:
        engine = make_engine(f"http://127.0.0.1:{proxy.port}")
        proxy.traffic = Traffic.STALLS

        report = engine.execute(a_request(timeout_ms=SHORT_MS), RememberingObserver())

        assert outcome(report) == TIMEOUT


def test_a_network_that_resets_is_no_second_run(runner, make_engine):
    with TcpProxy(runner.port) as proxy:
        engine = make_engine(f"http://127.0.0.1:{proxy.port}")
        runner.behaviour = hang
        reset = threading.Timer(0.1, proxy.reset)
        reset.start()

        report = engine.execute(a_request(), RememberingObserver())

        reset.join()
        assert outcome(report) == ENGINE_ERROR
        assert len(runner.asked("/run")) == 1


def test_an_answer_without_end_is_read_to_the_cap_and_memory_stays_flat(runner, make_engine):
    two_gib = 2_048
    runner.behaviour = pours(two_gib)
    engine = make_engine(runner.url, max_answer_bytes=4 << 20)

    tracemalloc.start()
    report = engine.execute(a_request(), RememberingObserver())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert outcome(report) == OUTPUT_LIMIT
    assert report.result.error_message == "The engine's answer is larger than the 4 MiB that are read of one."
    assert runner.poured_mib < 64
    assert peak < 12 << 20  # what the runner itself has in hand


def test_of_a_failure_no_more_is_read_than_is_shown(runner, engine):
    runner.behaviour = replies(500, b"x" * (1 << 20))
    report = engine.execute(a_request(), RememberingObserver())
    assert len(report.result.error_message) < 300


def test_an_engine_that_answers_is_well(runner, engine):
    engine.check()
    assert {asked.path for asked in runner.requests} == {"/health"}


def test_an_engine_that_is_out_of_reach_is_not_well(engine_nowhere):
    with pytest.raises(DependencyUnavailable, match="the engine is unavailable: it is not responding"):
        engine_nowhere().check()


def test_an_engine_that_does_not_answer_in_time_is_not_well(runner, make_engine):
    with TcpProxy(runner.port) as proxy:
        engine = make_engine(f"http://127.0.0.1:{proxy.port}")
        proxy.traffic = Traffic.STALLS
        with pytest.raises(DependencyUnavailable, match="did not respond in time"):
            engine.check()


def test_another_address_of_a_runner_is_tried_when_the_first_does_not_answer(
    runner, make_engine, monkeypatch
):
    # Given a name whose first address drops every packet
    resolve = socket.getaddrinfo

    def two_addresses(host, port, *details, **options):
        hosts = ("127.0.0.9", "127.0.0.1") if host == "two.example" else (host,)
        return [entry for each in hosts for entry in resolve(each, port, *details, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    engine = make_engine(f"http://two.example:{runner.port}", control_timeout_s=2)
    with silent("127.0.0.9", runner.port):
        # Then the second is used, within the time for a request
        engine.check()
        report = engine.execute(a_request(timeout_ms=2_500), RememberingObserver())
    assert outcome(report) == SUCCESS
