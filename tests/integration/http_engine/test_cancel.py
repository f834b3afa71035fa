import asyncio
import threading
import time

import pytest

from application.retry_policy import RetryPolicy
from tests.integration.http_engine.executions import (
    CANCELLED,
    SUCCESS,
    RememberingObserver,
    a_request,
    outcome,
    wait_until,
)
from tests.support.runner import drip, hang, head, in_turn, replies, runs
from tests.support.tcp_proxy import TcpProxy, Traffic

PROMPTLY_S = 10.0
SLOWLY = head(200, "application/json", 1_000) + b"x" * 1_000


class Running:
    """An execution on a thread of its own."""

    def __init__(self, engine, request, observer):
        self._thread = threading.Thread(target=self._execute, args=(engine, request, observer))
        self.report = None
        self._thread.start()

    def _execute(self, engine, request, observer):
        self.report = engine.execute(request, observer)

    def join(self):
        self._thread.join(90)
        assert not self._thread.is_alive()
        return self.report


def cancel_when(reached, engine, request, observer=None):
    """Run a request, cancel it at that moment, and return its report and how long its end took."""
    running = Running(engine, request, observer or RememberingObserver(reached.set))
    assert reached.wait(90)
    began = time.monotonic()
    engine.cancel(request.execution_id, request.job_id)
    report = running.join()
    return report, time.monotonic() - began


@pytest.mark.parametrize(
    "behaviour",
    [hang, drip(SLOWLY[100:], every_s=0.05), drip(SLOWLY, every_s=0.05)],
    ids=["waiting", "reading the body", "reading the headers"],
)
def test_a_call_in_flight_ends_promptly_and_the_engine_is_told(runner, engine, behaviour):
    runner.can_cancel = True
    request = a_request(timeout_ms=60_000)
    arrived = threading.Event()

    async def behave(exchange):
        arrived.set()
        await behaviour(exchange)

    runner.behaviour = behave
    report, took_s = cancel_when(arrived, engine, request, RememberingObserver())

    assert outcome(report) == CANCELLED
    assert took_s < PROMPTLY_S
    (told,) = runner.asked("/cancel/")
    assert (told.method, told.path) == ("POST", f"/cancel/{request.job_id}")
    assert told.params == {"execution_id": str(request.execution_id)}


def test_to_detach_a_call_ends_it_promptly_and_the_engine_hears_nothing(runner, engine):
    runner.behaviour = hang
    request = a_request(timeout_ms=60_000)
    running = Running(engine, request, RememberingObserver())
    wait_until(lambda: runner.asked("/run"))

    engine.detach(request.execution_id, request.job_id)

    assert outcome(running.join()) == CANCELLED
    assert runner.asked("/cancel/") == []


def test_a_runner_that_understands_it_stops_the_program(runner, engine, tmp_path):
    started = tmp_path / "started"
    runner.fetch_code = lambda _: f"import time; open({str(started)!r}, 'w').close(); time.sleep(60)".encode()
    runner.can_cancel = True
    request = a_request(timeout_ms=60_000)
    running = Running(engine, request, RememberingObserver())
    wait_until(started.exists)

    engine.cancel(request.execution_id, request.job_id)

    assert outcome(running.join()) == CANCELLED
    wait_until(lambda: not runner.programs)


def test_a_wait_between_two_tries_ends_promptly(runner, make_engine):
    runner.behaviour = replies(503, "busy")
    engine = make_engine(runner.url, retries=RetryPolicy((50, 50)))
    request = a_request(timeout_ms=60_000)
    running = Running(engine, request, RememberingObserver())
    wait_until(lambda: runner.requests)

    engine.cancel(request.execution_id, request.job_id)

    assert outcome(running.join()) == CANCELLED


def test_an_execution_that_is_cancelled_while_its_engine_cannot_be_reached_has_not_started(engine_nowhere):
    engine = engine_nowhere(retries=RetryPolicy((50, 50)))
    request, observer = a_request(timeout_ms=60_000), RememberingObserver()
    running = Running(engine, request, observer)
    wait_until(lambda: observer.delays)

    engine.cancel(request.execution_id, request.job_id)

    assert outcome(running.join()) == CANCELLED
    assert observer.starts == 0


def test_an_execution_that_is_cancelled_as_it_starts_never_reaches_the_runner(runner, engine):
    request = a_request()
    observer = RememberingObserver(lambda: engine.cancel(request.execution_id, request.job_id))

    report = engine.execute(request, observer)

    assert outcome(report) == CANCELLED
    assert runner.asked("/run") == []


def test_an_engine_that_cannot_be_told_does_not_hold_the_cancel_up(runner, make_engine):
    with TcpProxy(runner.port) as proxy:
        engine = make_engine(f"http://127.0.0.1:{proxy.port}")
        proxy.traffic = Traffic.STALLS
        request = a_request(timeout_ms=60_000)
        started = threading.Event()

        report, took_s = cancel_when(started, engine, request)

        assert outcome(report) == CANCELLED
        assert took_s < PROMPTLY_S


def test_to_cancel_what_does_not_run_here_is_no_error(engine, engine_nowhere):
    request = a_request()
    engine.cancel(request.execution_id, request.job_id)
    engine_nowhere().cancel(request.execution_id, request.job_id)


def test_one_cancel_ends_one_call(runner, engine):
    first, second = a_request(timeout_ms=60_000), a_request(timeout_ms=60_000)
    let_go = threading.Event()

    async def behave(exchange):
        if exchange.params["job_id"] == str(first.job_id):
            await hang(exchange)
        await asyncio.to_thread(let_go.wait, 10)
        await runs()(exchange)

    runner.behaviour = behave
    other = Running(engine, second, RememberingObserver())
    cancelled = Running(engine, first, RememberingObserver())
    wait_until(lambda: len(runner.asked("/run")) == 2)

    engine.cancel(first.execution_id, first.job_id)
    assert outcome(cancelled.join()) == CANCELLED
    let_go.set()

    assert outcome(other.join()) == SUCCESS


def test_a_cancelled_call_leaves_no_connection_for_the_next(runner, engine):
    runner.behaviour = in_turn(hang, runs())
    request = a_request(timeout_ms=60_000)
    running = Running(engine, request, RememberingObserver())
    wait_until(lambda: runner.asked("/run"))
    engine.cancel(request.execution_id, request.job_id)
    running.join()

    assert outcome(engine.execute(a_request(), RememberingObserver())) == SUCCESS
