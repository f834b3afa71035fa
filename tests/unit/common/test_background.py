"""The threads behind the API outlive the errors on them."""

from threading import Event, Timer, current_thread
from types import SimpleNamespace

import pytest

from adapters.common import background
from adapters.common.background import BackgroundThread, PeriodicTask
from adapters.in_process import message_relay
from adapters.in_process.message_relay import BackgroundMessageRelay, ImmediateMessageRelay
from application.errors import DependencyUnavailable
from application.messages import Message
from application.retry_policy import RetryPolicy
from domain.values import MessageId
from tests.support.memory.id_generator import MemoryIdGenerator
from tests.support.processes import eventually

PATIENCE_S = 90


def message() -> Message:
    return Message(id=MessageId(MemoryIdGenerator().new()), name="JobStarted", body={})


@pytest.mark.parametrize("error", [DependencyUnavailable("queue", "down"), RuntimeError("a bug")])
def test_the_relay_goes_on_after_an_error(error):
    relay, passed, calls = BackgroundMessageRelay(), Event(), []

    def pass_on(messages):
        calls.append(messages)
        if len(calls) == 1:
            raise error
        passed.set()

    relay.start(pass_on)
    relay.offer([message()])
    while not calls:
        passed.wait(0.001)
    relay.offer([message()])

    assert passed.wait(PATIENCE_S)
    relay.stop()


def test_the_relay_passes_on_what_came_before_it_stops():
    relay, passed = BackgroundMessageRelay(), []

    relay.start(passed.extend)
    relay.offer([message() for _ in range(500)])
    relay.stop()

    assert len(passed) == 500


@pytest.mark.parametrize("kind", [ImmediateMessageRelay, BackgroundMessageRelay])
def test_what_is_offered_before_the_start_and_after_the_stop_is_left_to_the_sweep(kind):
    relay, passed = kind(), []

    relay.offer([message()])
    relay.start(passed.extend)
    relay.stop()
    relay.offer([message()])

    assert passed == []


@pytest.mark.parametrize("error", [DependencyUnavailable("queue", "full"), RuntimeError("a bug")])
def test_the_relay_in_a_commits_own_thread_publishes_at_once_and_keeps_errors_from_it(error, caplog):
    relay, passed = ImmediateMessageRelay(), []

    def pass_on(messages):
        passed.append((messages, current_thread()))
        if len(passed) == 1:
            raise error

    offered = [message()], [message()]
    relay.start(pass_on)
    for messages in offered:
        relay.offer(messages)

    assert passed == [(messages, current_thread()) for messages in offered]
    assert [record.message.partition(":")[0] for record in caplog.records] == ["messages not published"]


@pytest.mark.parametrize("error", [DependencyUnavailable("database", "down"), RuntimeError("a bug")])
def test_a_loop_begins_at_once_and_goes_on_after_an_error(error):
    rounds, second = [], Event()

    def action():
        rounds.append(1)
        if len(rounds) == 1:
            raise error
        second.set()

    loop = PeriodicTask("test", action, every_s=0.001)
    loop.start()

    assert second.wait(PATIENCE_S)
    loop.stop()


def test_a_loop_that_waits_stops_at_once():
    begun = Event()
    loop = PeriodicTask("test", begun.set, every_s=3_600)
    loop.start()
    assert begun.wait(PATIENCE_S)

    loop.stop()


def test_a_thread_goes_on_after_failures_and_logs_the_first_in_a_row_of_an_outage(caplog):
    steps, recovered = [], Event()

    def step():
        steps.append(1)
        if len(steps) <= 3:
            raise DependencyUnavailable("queue", "it is away")
        recovered.set()
        thread.pause(PATIENCE_S)

    thread = BackgroundThread("test", step, backoff=RetryPolicy((0.001,), is_endless=True))
    thread.start()

    assert recovered.wait(PATIENCE_S)
    thread.stop()
    assert caplog.text.count("it is away; retrying in 0.0 s") == 1


def test_a_thread_that_backs_off_stops_at_once():
    failed = Event()

    def step():
        failed.set()
        raise RuntimeError("a bug")

    thread = BackgroundThread("test", step, backoff=RetryPolicy((3_600,), is_endless=True))
    thread.start()
    assert failed.wait(PATIENCE_S)

    thread.stop()


def test_a_step_that_waits_is_woken_when_its_thread_is_to_stop():
    begun, woken = Event(), Event()

    def step():
        begun.set()
        woken.wait()

    thread = BackgroundThread("test", step, wake=woken.set)
    thread.start()
    assert begun.wait(PATIENCE_S)

    thread.stop()


def test_the_relay_stops_though_its_backlog_is_full(monkeypatch):
    monkeypatch.setattr(message_relay, "_BACKLOG", 2)
    relay, begun, may_go_on, passed = BackgroundMessageRelay(), Event(), Event(), []

    def pass_on(messages):
        begun.set()
        assert may_go_on.wait(PATIENCE_S)
        passed.extend(messages)

    relay.start(pass_on)
    relay.offer([message()])
    assert begun.wait(PATIENCE_S)
    relay.offer([message() for _ in range(3)])
    Timer(0.1, may_go_on.set).start()
    relay.stop()

    assert len(passed) == 3


@pytest.mark.parametrize("error", [None, DependencyUnavailable("queue", "down"), RuntimeError("a bug")])
def test_a_round_that_ended_or_failed_is_told_from_one_that_is_stuck(monkeypatch, error):
    now, release, begun = [0.0], Event(), Event()
    monkeypatch.setattr(background, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def action():
        begun.set()
        release.wait(PATIENCE_S)
        if error:
            raise error

    task = PeriodicTask("task", action, every_s=PATIENCE_S)
    task.start()
    assert begun.wait(PATIENCE_S)
    now[0] = 500.0
    stuck_for_s = task.since_round_s
    release.set()

    assert stuck_for_s == 500.0
    assert eventually(lambda: task.since_round_s == 0.0)
    task.stop()
