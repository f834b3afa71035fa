"""Runners with addresses of their own: each has its own health, circuit and cancellation."""

import threading

import pytest

from application.errors import DependencyUnavailable
from application.log_context import trace_context
from application.retry_policy import RetryPolicy
from domain.trace_context import TraceContext
from tests.integration.http_engine.executions import (
    CANCELLED,
    SUCCESS,
    RememberingObserver,
    a_request,
    outcome,
    wait_until,
)
from tests.support.memory.tracing import MemoryTracing
from tests.support.runner import FakeRunner, hang, replies

NO_WAIT = {"retries": RetryPolicy(), "breaker_threshold": 1, "breaker_reset_s": 600}


@pytest.fixture
def python_runner():
    with FakeRunner(only="python") as running:
        yield running


@pytest.fixture
def java_runner():
    with FakeRunner(only="java") as running:
        yield running


def executed(engine, language):
    return outcome(engine.execute(a_request(language), RememberingObserver()))


def test_an_address_of_a_language_s_own_wins_over_the_base_address(runner, python_runner, make_engine):
    engine = make_engine(runner.url, run_urls={"python": f"{python_runner.url}/run"})

    assert [executed(engine, language) for language in ("python", "node")] == [SUCCESS, SUCCESS]

    assert [asked.path for asked in python_runner.requests] == ["/run"]
    assert [asked.path for asked in runner.requests] == ["/node/run"]


def test_requests_go_on_with_the_current_trace(runner, make_engine):
    engine, trace = make_engine(runner.url), TraceContext(f"00-{'a' * 32}-{'b' * 16}-01", "vendor=1")
    token = trace_context.set(trace)
    assert executed(engine, "python") == SUCCESS
    trace_context.reset(token)
    assert executed(engine, "python") == SUCCESS

    traced, untraced = runner.requests
    assert {name: traced.headers[name] for name in trace.headers} == trace.headers
    assert trace.headers.keys().isdisjoint(untraced.headers)


def test_a_user_name_and_password_in_an_address_are_neither_traced_nor_sent(python_runner, make_engine):
    address = python_runner.url.removeprefix("http://")
    tracing = MemoryTracing()
    run_urls = {"python": f"http://operator:hunter2@{address}/run"}
    engine = make_engine(None, run_urls=run_urls, tracing=tracing)

    token = trace_context.set(TraceContext(f"00-{'a' * 32}-{'b' * 16}-01"))
    assert executed(engine, "python") == SUCCESS
    trace_context.reset(token)

    span = tracing.named("GET")
    assert span.attributes["url.full"] == f"http://{address}/run"
    assert span.attributes["server.address"] == "127.0.0.1"
    (request,) = python_runner.requests
    assert "hunter2" not in f"{request.path} {[*request.headers.items()]}"
    assert "Authorization" not in request.headers


def test_one_address_alone_is_enough_and_has_its_language_only(python_runner, make_engine):
    engine = make_engine(None, run_urls={"python": f"{python_runner.url}/run/"})

    assert executed(engine, "python") == SUCCESS
    assert [support.language.name for support in engine.languages()] == ["python"]


def test_each_runner_is_asked_for_its_own_health(python_runner, java_runner, make_engine):
    urls = {"python": f"{python_runner.url}/run", "java": f"{java_runner.url}/deep/down/run"}
    engine = make_engine(None, run_urls=urls)

    engine.check()

    assert [asked.path for asked in python_runner.requests] == ["/health"]
    assert [asked.path for asked in java_runner.requests] == ["/deep/down/health", "/deep/down/run"]

    java_runner.health = 503
    urls["java"] = f"{java_runner.url}/run"
    with pytest.raises(DependencyUnavailable, match=r"the java runner answers 503$"):
        make_engine(None, run_urls=urls).check()


def test_a_runner_that_is_away_pauses_its_own_language_alone(runner, nowhere, make_engine):
    engine = make_engine(runner.url, run_urls={"java": f"{nowhere}/run"}, **NO_WAIT)

    report = engine.execute(a_request("java"), RememberingObserver())

    assert report.is_startable
    assert engine.paused_languages() == {"java"}
    assert executed(engine, "python") == SUCCESS


def test_a_cancel_goes_to_the_runner_that_has_the_program(python_runner, java_runner, make_engine):
    python_runner.behaviour = hang
    python_runner.can_cancel = java_runner.can_cancel = True
    urls = {"python": f"{python_runner.url}/run", "java": f"{java_runner.url}/run"}
    engine, request = make_engine(None, run_urls=urls), a_request(timeout_ms=60_000)
    reports = []
    thread = threading.Thread(
        target=lambda: reports.append(engine.execute(request, RememberingObserver())), daemon=True
    )
    thread.start()
    wait_until(lambda: python_runner.requests)

    engine.cancel(request.execution_id, request.job_id)

    thread.join(90)
    assert [outcome(report) for report in reports] == [CANCELLED]
    assert [asked.path for asked in python_runner.requests][1:] == [f"/cancel/{request.job_id}"]
    assert list(java_runner.requests) == []


def test_what_runs_elsewhere_is_cancelled_at_every_runner(python_runner, java_runner, make_engine):
    engine = make_engine(
        None, run_urls={"python": f"{python_runner.url}/run", "java": f"{java_runner.url}/run"}
    )
    request = a_request()

    engine.cancel(request.execution_id, request.job_id)

    for runner in (python_runner, java_runner):
        assert [asked.path for asked in runner.requests] == [f"/cancel/{request.job_id}"]


@pytest.mark.parametrize("status", [200, 301, 400, 401, 404, 405, 501])
def test_a_front_that_answers_is_reachable(runner, engine, status):
    runner.health = status
    engine.check()


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_front_whose_runner_is_away_is_not(runner, engine, status):
    runner.health = status
    with pytest.raises(DependencyUnavailable, match=f"it answers {status}"):
        engine.check()


def test_behind_path_routing_the_runner_itself_is_asked_without_running_anything(runner, engine):
    runner.health = 404

    engine.check()

    asked = {asked.path for asked in runner.requests}
    assert asked == {"/health", *(f"/{language}/run" for language in ("python", "node", "java"))}
    assert not any(asked.params for asked in runner.requests)


def test_a_runner_that_broke_off_and_is_away_is_sent_nothing_else(runner, make_engine):
    runner.gateway = 502
    engine = make_engine(runner.url, breaker_reset_s=0)

    assert engine.execute(a_request(), RememberingObserver()).is_lost
    reports = [engine.execute(a_request(), RememberingObserver()) for _ in range(3)]

    assert [(report.is_startable, report.is_lost) for report in reports] == [(True, False)] * 3
    assert len([asked for asked in runner.asked("/run") if asked.params]) == 1
    # And it is found when it is back, whatever a gateway says of its health.
    runner.gateway, runner.health = 0, 503
    assert executed(engine, "python") == SUCCESS


def test_a_gateway_that_is_well_itself_does_not_burn_what_its_runner_cannot_take(runner, make_engine):
    runner.behaviour = replies(502, "<html>", "text/html")
    engine = make_engine(runner.url, breaker_threshold=3, breaker_reset_s=600)

    reports = [engine.execute(a_request(), RememberingObserver()) for _ in range(6)]

    assert [report.is_startable for report in reports] == [False] * 3 + [True] * 3
