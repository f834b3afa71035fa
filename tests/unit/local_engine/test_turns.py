"""Programs side by side, and one alone."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

from adapters.local_engine.turns import Turns


def test_programs_run_side_by_side() -> None:
    turns, both = Turns(), Barrier(2)

    def run() -> None:
        with turns.shared():
            both.wait(30)

    with ThreadPoolExecutor(2) as threads:
        for running in [threads.submit(run) for _ in range(2)]:
            running.result(30)


def test_one_alone_waits_for_the_others_and_holds_up_new_ones() -> None:
    turns, order = Turns(), []
    first_runs, may_end, waits = Event(), Event(), Event()

    def first() -> None:
        with turns.shared():
            first_runs.set()
            assert may_end.wait(30)
            order.append("first")

    def alone() -> None:
        waits.set()
        with turns.alone(30, 1) as is_alone:
            assert is_alone
            later.append(threads.submit(other))
            order.append("alone")

    def other() -> None:
        with turns.shared():
            order.append("other")

    later: list = []
    with ThreadPoolExecutor(4) as threads:
        running = [threads.submit(first)]
        assert first_runs.wait(30)
        running.append(threads.submit(alone))
        assert waits.wait(30)
        may_end.set()
        for each in running:
            each.result(30)
        later[0].result(30)

    assert order == ["first", "alone", "other"]


def test_one_that_would_wait_for_too_long_is_not_alone() -> None:
    turns = Turns(clock=lambda: 0.0)
    with turns.shared():
        with turns.alone(0.01, 1) as is_alone:
            assert not is_alone
        with turns.shared():
            pass
    with turns.alone(0.01, 1) as is_alone:
        assert is_alone


def test_two_run_alone_one_after_the_other() -> None:
    turns, inside, most = Turns(clock=lambda: 0.0), 0, 0

    def run() -> None:
        nonlocal inside, most
        with turns.alone(30, 1) as is_alone:
            assert is_alone
            inside += 1
            most = max(most, inside)
            Event().wait(0.01)
            inside -= 1

    with ThreadPoolExecutor(3) as threads:
        for running in [threads.submit(run) for _ in range(3)]:
            running.result(30)
    assert most == 1


def test_what_runs_alone_takes_a_quarter_of_the_time_at_most() -> None:
    now = 100.0
    turns = Turns(clock=lambda: now)

    def is_alone(takes_s: float) -> bool:
        nonlocal now
        with turns.alone(0.01, takes_s) as is_alone:
            now += takes_s if is_alone else 0.0
        return is_alone

    assert is_alone(4.0)
    assert not is_alone(1.0)
    now += 11.9
    assert not is_alone(1.0)
    now += 0.1
    assert is_alone(1.0)
    now += 3.0
    assert not is_alone(10.1), "nothing else could start for so long"
    with turns.shared():
        assert not is_alone(1.0)
    assert is_alone(10.0)
