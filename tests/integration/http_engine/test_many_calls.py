"""Many callers at once: one pool, and a circuit for each runner."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from application.retry_policy import RetryPolicy
from tests.integration.http_engine.executions import (
    SUCCESS,
    UNAVAILABLE,
    RememberingObserver,
    a_request,
    outcome,
    wait_until,
)
from tests.support.runner import replies, runs
from tests.support.tcp_proxy import TcpProxy

CALLERS = 64
ONE_TRY = RetryPolicy()
THRESHOLD = 3


def test_callers_at_once_each_get_their_own_answer_over_one_pool(runner, engine):
    together = Barrier(CALLERS)

    def call(number):
        together.wait(90)
        request = a_request(code_key=f"demo/{number}.py")
        return [engine.execute(request, RememberingObserver()).result.stdout.text for _ in range(5)]

    with ThreadPoolExecutor(CALLERS) as pool:
        texts = list(pool.map(call, range(CALLERS)))

    assert texts == [[f"ran demo/{number}.py\n"] * 5 for number in range(CALLERS)]
    assert len(runner.asked("/run")) == CALLERS * 5
    assert runner.connections <= CALLERS * 2  # a thread that waits long for its turn finds its own gone


def test_a_connection_serves_one_call_after_another(runner, engine):
    for _ in range(10):
        engine.execute(a_request(), RememberingObserver())
    assert runner.connections == 1


@pytest.fixture
def proxy(runner):
    with TcpProxy(runner.port) as running:
        yield running


def tired(proxy, make_engine, **settings):
    """Build an engine whose Python circuit is open."""
    settings = {"retries": ONE_TRY, "breaker_threshold": THRESHOLD} | settings
    engine = make_engine(f"http://127.0.0.1:{proxy.port}", **settings)
    proxy.close_port()
    for _ in range(THRESHOLD):
        assert outcome(engine.execute(a_request(), RememberingObserver())) == UNAVAILABLE
    proxy.open_port()
    return engine


def test_an_engine_out_of_reach_is_given_a_rest(runner, proxy, make_engine):
    engine = tired(proxy, make_engine, breaker_reset_s=600)

    report = engine.execute(a_request(), RememberingObserver())

    assert outcome(report) == UNAVAILABLE
    assert "is not responding" in report.result.error_message
    assert list(runner.requests) == []


def test_the_runners_of_other_languages_have_circuits_of_their_own(proxy, make_engine):
    engine = tired(proxy, make_engine, breaker_reset_s=600)
    assert outcome(engine.execute(a_request("node"), RememberingObserver())) == SUCCESS


def test_an_engine_that_is_back_is_found_by_a_trial(proxy, make_engine):
    engine = tired(proxy, make_engine, breaker_reset_s=0)
    for _ in range(THRESHOLD):
        assert outcome(engine.execute(a_request(), RememberingObserver())) == SUCCESS


def test_what_a_resting_runner_is_not_sent_may_be_started_later(runner, proxy, make_engine):
    engine = tired(proxy, make_engine, breaker_reset_s=0.2)
    assert engine.paused_languages() == {"python"}

    report = engine.execute(a_request(), RememberingObserver())

    assert (report.is_startable, report.is_lost, runner.asked("/run")) == (True, False, [])
    wait_until(lambda: not engine.paused_languages())
    assert outcome(engine.execute(a_request(), RememberingObserver())) == SUCCESS


def test_a_program_that_breaks_its_runner_does_not_shut_others_out(runner, make_engine):
    engine = make_engine(runner.url, breaker_threshold=THRESHOLD, breaker_reset_s=600)
    runner.behaviour = replies(500, "the program was too much")
    for _ in range(THRESHOLD * 2):
        engine.execute(a_request(), RememberingObserver())

    runner.behaviour = runs()

    assert outcome(engine.execute(a_request(), RememberingObserver())) == SUCCESS
