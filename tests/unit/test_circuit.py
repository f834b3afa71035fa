from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from application.circuit import Circuit
from application.errors import DependencyUnavailable


def test_a_call_that_began_before_an_outage_was_over_does_not_prolong_it():
    # Given a call that waits for what has been lost
    circuit = Circuit("queue")
    began, give_up = Event(), Event()

    def wait_in_vain():
        with circuit:
            began.set()
            give_up.wait(10)
            raise DependencyUnavailable("queue", "it is gone")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait_in_vain)
        began.wait(10)
        # When another is answered before the first one gives up
        with circuit:
            pass
        give_up.set()
        with pytest.raises(DependencyUnavailable, match="it is gone"):
            waiting.result(10)
    # Then calls are let through
    with circuit:
        pass


def test_a_refusal_names_the_cause_of_the_last_failure():
    circuit = Circuit("queue")
    with pytest.raises(DependencyUnavailable), circuit:
        raise DependencyUnavailable("queue", "its memory is used up")

    with pytest.raises(DependencyUnavailable, match="its memory is used up, as of a moment ago"), circuit:
        pytest.fail("it was let through")
