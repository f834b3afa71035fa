import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from application.claims import ClaimBatcher
from tests.support.processes import eventually

MANY = 100


class Act:
    """Gives out numbers, as many as there are, each time that it is let; remembers how many were wanted."""

    def __init__(self, results):
        self.wanted = []
        self.permits = threading.Semaphore(0)
        self._results = iter(results)

    def __call__(self, number):
        self.wanted.append(number)
        self.permits.acquire(timeout=90)
        given = [result for _, result in zip(range(number), self._results, strict=False)]
        if None in given:
            raise OSError("it broke")
        return given


class Callers:
    """Ask one after the other, while the first is in work."""

    def __init__(self, act):
        self._act = act
        self._batcher = ClaimBatcher(act)
        self._pool = ThreadPoolExecutor()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._act.permits.release(MANY)
        self._pool.shutdown()

    def begin(self):
        calls = len(self._act.wanted)
        asked = self._pool.submit(self._batcher.next)
        assert eventually(lambda: len(self._act.wanted) > calls)
        return asked

    def follow(self):
        waiting = self._batcher.waiting
        asked = self._pool.submit(self._batcher.next)
        assert eventually(lambda: self._batcher.waiting > waiting)
        return asked


def test_a_caller_who_comes_alone_is_served_alone():
    act = Act([1, 2])
    act.permits.release(MANY)
    batcher = ClaimBatcher(act)

    assert [batcher.next(), batcher.next(), batcher.next()] == [1, 2, None]
    assert act.wanted == [1, 1, 1]


def test_those_who_come_meanwhile_are_served_in_one_go_in_the_order_of_their_coming():
    act = Act(range(10))
    with Callers(act) as callers:
        asked = [callers.begin(), *(callers.follow() for _ in range(5))]
        act.permits.release(2)

        assert [one.result() for one in asked] == [0, 1, 2, 3, 4, 5]
        assert act.wanted == [1, 5]


def test_who_is_served_does_not_wait_for_those_who_came_later():
    act = Act(range(10))
    with Callers(act) as callers:
        asked = [callers.begin(), callers.follow(), callers.follow()]
        act.permits.release(1)
        assert eventually(lambda: act.wanted == [1, 2])
        later = callers.follow()
        act.permits.release(1)
        assert eventually(lambda: act.wanted == [1, 2, 1])

        assert [one.result(timeout=90) for one in asked] == [0, 1, 2]
        assert not later.done()


def test_those_for_whom_there_is_nothing_get_nothing():
    act = Act(range(3))
    with Callers(act) as callers:
        asked = [callers.begin(), *(callers.follow() for _ in range(5))]
        act.permits.release(2)

        assert [one.result() for one in asked] == [0, 1, 2, None, None, None]


def test_a_failure_is_of_one_caller_and_the_others_are_served():
    act = Act([0, None, *range(1, 10)])
    with Callers(act) as callers:
        asked = [callers.begin(), *(callers.follow() for _ in range(5))]
        act.permits.release(MANY)

        with pytest.raises(OSError, match="broke"):
            asked[1].result()
        assert [one.result() for one in asked if one is not asked[1]] == [0, 5, 6, 7, 8]
        assert act.wanted == [1, 5, 4]


def test_more_than_was_wanted_is_no_result():
    batcher = ClaimBatcher(lambda number: [1] * (number + 1))

    with pytest.raises(ValueError, match="more claims"):
        batcher.next()
