import pytest

from adapters.http_engine.breaker import CircuitBreaker

THRESHOLD = 3
RESET_S = 5.0


class HandClock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def breaker(clock):
    return CircuitBreaker(THRESHOLD, RESET_S, clock)


@pytest.fixture
def open_breaker(breaker):
    for _ in range(THRESHOLD):
        breaker.failed()
    return breaker


def test_a_few_failures_do_not_open_the_circuit(breaker):
    for _ in range(THRESHOLD - 1):
        breaker.failed()
    assert breaker.admits()


def test_failures_count_only_in_a_row(breaker):
    for _ in range(THRESHOLD * 2):
        breaker.failed()
        breaker.answered()
    assert breaker.admits()


def test_an_open_circuit_admits_nobody_until_its_time(open_breaker, clock):
    assert not open_breaker.admits()
    clock.now += RESET_S - 0.1
    assert not open_breaker.admits()


def test_one_call_at_a_time_is_let_through_on_trial(open_breaker, clock):
    for _ in range(3):
        clock.now += RESET_S
        assert open_breaker.admits()
        assert not open_breaker.admits()


def test_a_trial_that_is_answered_closes_the_circuit(open_breaker, clock):
    clock.now += RESET_S
    assert open_breaker.admits()
    open_breaker.answered()
    for _ in range(THRESHOLD - 1):
        open_breaker.failed()
    assert open_breaker.admits()


def test_a_trial_that_reaches_the_engine_lets_the_others_follow_on_probation(open_breaker, clock):
    clock.now += RESET_S
    assert open_breaker.admits()
    open_breaker.reached()
    assert open_breaker.admits()
    open_breaker.failed()
    assert not open_breaker.admits()


def test_to_reach_the_engine_is_not_yet_an_answer(breaker):
    for _ in range(THRESHOLD):
        breaker.reached()
        breaker.failed()
    assert not breaker.admits()


def test_a_failure_of_a_call_that_began_before_does_not_put_the_trial_off(open_breaker, clock):
    clock.now += RESET_S - 0.1
    open_breaker.failed()
    clock.now += 0.1
    assert open_breaker.admits()
