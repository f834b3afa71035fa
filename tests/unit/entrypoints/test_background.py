"""The threads behind the API outlive the errors on them."""

from threading import Event

import pytest

from adapters.in_process.message_relay import InProcessMessageRelay
from application.errors import DependencyUnavailable
from application.messages import Message
from domain.values import MessageId
from entrypoints.worker.periodic import Periodic
from tests.support.memory.id_generator import MemoryIdGenerator

PATIENCE_S = 10


def message() -> Message:
    return Message(id=MessageId(MemoryIdGenerator().new()), name="JobStarted", body={})


@pytest.mark.parametrize("error", [DependencyUnavailable("queue", "down"), RuntimeError("a bug")])
def test_the_relay_goes_on_after_an_error(error):
    relay, passed, calls = InProcessMessageRelay(), Event(), []

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
    relay, passed = InProcessMessageRelay(), []

    relay.start(passed.extend)
    relay.offer([message() for _ in range(500)])
    relay.stop()

    assert len(passed) == 500


def test_what_is_offered_before_the_start_is_left_to_the_sweep():
    relay, passed = InProcessMessageRelay(), []

    relay.offer([message()])
    relay.start(passed.extend)
    relay.stop()

    assert passed == []


@pytest.mark.parametrize("error", [DependencyUnavailable("database", "down"), RuntimeError("a bug")])
def test_a_loop_begins_at_once_and_goes_on_after_an_error(error):
    rounds, second = [], Event()

    def action():
        rounds.append(1)
        if len(rounds) == 1:
            raise error
        second.set()

    loop = Periodic("test", action, every_s=0.001)
    loop.start()

    assert second.wait(PATIENCE_S)
    loop.stop()


def test_a_loop_that_waits_stops_at_once():
    begun = Event()
    loop = Periodic("test", begun.set, every_s=3_600)
    loop.start()
    assert begun.wait(PATIENCE_S)

    loop.stop()
