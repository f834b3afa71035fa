import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from application.together import Together
from tests.support.processes import eventually


class Act:
    """Gives out numbers, as many as there are, when it is let; remembers how many were wanted at a time."""

    def __init__(self, results):
        self.wanted = []
        self.may_go_on = threading.Event()
        self._results = iter(results)

    def __call__(self, number):
        self.wanted.append(number)
        self.may_go_on.wait(10)
        given = [result for _, result in zip(range(number), self._results, strict=False)]
        if None in given:
            raise OSError("it broke")
        return given


def ask_while_one_is_served(act, others):
    """Have one caller be served, others come meanwhile, and all of them get what they get."""
    together = Together(act)
    with ThreadPoolExecutor(1 + others) as pool:
        first = pool.submit(together)
        assert eventually(lambda: act.wanted)
        rest = [pool.submit(together) for _ in range(others)]
        assert eventually(lambda: len(together._waiting) == others)
        act.may_go_on.set()
        return first, rest


def test_a_caller_who_comes_alone_is_served_alone():
    act = Act([1, 2])
    act.may_go_on.set()
    together = Together(act)

    assert [together(), together(), together()] == [1, 2, None]
    assert act.wanted == [1, 1, 1]


def test_those_who_come_meanwhile_are_served_in_one_go_in_the_order_of_their_coming():
    act = Act(range(10))

    first, rest = ask_while_one_is_served(act, 5)

    assert first.result() == 0
    assert sorted(one.result() for one in rest) == [1, 2, 3, 4, 5]
    assert act.wanted == [1, 5]


def test_those_for_whom_there_is_nothing_get_nothing():
    act = Act(range(3))

    first, rest = ask_while_one_is_served(act, 5)

    assert first.result() == 0
    assert [one.result() for one in rest].count(None) == 3


def test_a_failure_is_of_one_caller_and_the_others_are_served():
    act = Act([0, None, *range(1, 10)])

    first, rest = ask_while_one_is_served(act, 5)

    assert first.result() == 0
    failed = [one for one in rest if one.exception()]
    assert len(failed) == 1
    with pytest.raises(OSError, match="broke"):
        failed[0].result()
    assert act.wanted == [1, 5, 4]
    assert all(one.result() is not None for one in rest if one not in failed)
