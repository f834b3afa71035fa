from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from adapters.common.circuit_breaker import OUTAGE_SHOWN_S, CircuitBreaker
from adapters.common.circuit_samples import circuit_samples
from application.errors import DependencyUnavailable
from application.metrics import CIRCUIT_OPENINGS, CIRCUITS_OPEN

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
    return CircuitBreaker("engine", THRESHOLD, RESET_S, clock=clock)


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


@pytest.mark.parametrize("trial_s", [RESET_S / 2, RESET_S, 3 * RESET_S])
def test_after_a_trial_that_fails_the_circuit_rests_however_long_the_trial_took(open_breaker, clock, trial_s):
    clock.now += RESET_S
    assert open_breaker.admits()
    clock.now += trial_s
    open_breaker.failed()

    clock.now += RESET_S - 0.1
    assert not open_breaker.admits()
    clock.now += 0.1
    assert open_breaker.admits()


def test_a_trial_that_hangs_refuses_the_callers_that_waited_for_it(clock):
    circuit = CircuitBreaker("queue", reset_s=RESET_S, clock=clock)
    fail(circuit)
    clock.now += RESET_S

    def hang():
        with circuit.call():
            clock.now += RESET_S
            raise DependencyUnavailable("queue", "it does not answer")

    with pytest.raises(DependencyUnavailable, match="it does not answer"):
        hang()

    with pytest.raises(DependencyUnavailable, match="circuit open"), circuit.call():
        pytest.fail("it was let through")


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


def test_a_call_that_began_before_an_outage_was_over_does_not_prolong_it():
    # Given a call that waits for what has been lost
    circuit = CircuitBreaker("queue")
    began, give_up = Event(), Event()

    def wait_in_vain():
        with circuit.call():
            began.set()
            give_up.wait(90)
            raise DependencyUnavailable("queue", "it is gone")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait_in_vain)
        began.wait(90)
        # When another is answered before the first one gives up
        with circuit.call():
            pass
        give_up.set()
        with pytest.raises(DependencyUnavailable, match="it is gone"):
            waiting.result(10)
    # Then calls are let through
    with circuit.call():
        pass


def test_a_refusal_names_the_cause_of_the_last_failure():
    circuit = CircuitBreaker("queue")
    with pytest.raises(DependencyUnavailable), circuit.call():
        raise DependencyUnavailable("queue", "its memory is used up")

    with (
        pytest.raises(DependencyUnavailable, match=r"is used up \(circuit open\)"),
        circuit.call(),
    ):
        pytest.fail("it was let through")


def test_a_circuit_refuses_for_a_while_after_a_failure_and_then_lets_one_try(clock):
    # Given a dependency that has just failed
    circuit = CircuitBreaker("queue", reset_s=RESET_S, clock=clock)
    fail(circuit)
    # Then calls are refused, until a single one may try
    with pytest.raises(DependencyUnavailable, match="circuit open"), circuit.call():
        pytest.fail("it was let through")
    clock.now += RESET_S
    with circuit.call(), pytest.raises(DependencyUnavailable, match="circuit open"), circuit.call():
        pytest.fail("a second one was let through")
    # And once it has succeeded, all are let through
    with circuit.call(), circuit.call():
        pass


def test_a_circuit_minds_no_other_errors():
    circuit = CircuitBreaker("queue")
    with pytest.raises(ZeroDivisionError), circuit.call():
        raise ZeroDivisionError
    with circuit.call():
        pass


def fail(circuit):
    with pytest.raises(DependencyUnavailable), circuit.call():
        raise DependencyUnavailable("queue", "it is away")


def test_circuits_are_measured_by_their_dependency():
    first, second = (CircuitBreaker("a dependency of this test") for _ in range(2))

    first.failed()
    first.answered()
    first.failed()

    found = {(sample.metric, *sample.labels): sample.value for sample in circuit_samples()}
    assert found[CIRCUITS_OPEN, first.dependency] == 1
    assert found[CIRCUIT_OPENINGS, second.dependency] == 2


def measured_as_open(breaker):
    found = {(sample.metric, *sample.labels): sample.value for sample in circuit_samples()}
    return found[CIRCUITS_OPEN, breaker.dependency]


@pytest.mark.parametrize("interval_s", [5, 60])
def test_a_circuit_is_measured_as_open_at_each_scrape_of_an_outage_until_a_call_succeeds(clock, interval_s):
    breaker = CircuitBreaker(f"called every {interval_s} s", reset_s=RESET_S, clock=clock)
    scrapes = []
    for second in range(1_800):
        if second % interval_s == 0:
            fail(breaker)
        if second % 15 == 14:
            scrapes.append(measured_as_open(breaker))
        clock.now += 1
    assert scrapes == [1] * 120

    with breaker.call():
        pass
    assert measured_as_open(breaker) == 0


def test_a_circuit_without_calls_is_not_measured_as_open_for_good(clock):
    breaker = CircuitBreaker("another dependency of this test", THRESHOLD, RESET_S, clock=clock)
    for _ in range(THRESHOLD):
        breaker.failed()

    clock.now += OUTAGE_SHOWN_S - 1
    assert measured_as_open(breaker) == 1
    clock.now += 1
    assert measured_as_open(breaker) == 0


def test_a_circuit_that_is_to_rest_for_longer_is_measured_as_open_until_then(clock):
    breaker = CircuitBreaker("a dependency that rests", clock=clock)
    breaker.failed(rest_s=2 * OUTAGE_SHOWN_S)

    clock.now += 2 * OUTAGE_SHOWN_S - 1
    assert measured_as_open(breaker) == 1
    clock.now += 1
    assert measured_as_open(breaker) == 0
