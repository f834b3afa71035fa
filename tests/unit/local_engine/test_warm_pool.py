"""Sandboxes are kept ready, also after failures of some."""

import logging
import math
from collections import deque
from contextlib import ExitStack
from dataclasses import replace

import pytest

from adapters.local_engine.sandbox import warm_pool
from adapters.local_engine.sandbox.program import NOTHING
from adapters.local_engine.sandbox.warm_pool import Prewarmed, PrewarmRecipe, WarmPool
from tests.support.processes import eventually


class _Waiting(Prewarmed):
    def __init__(self):
        self.is_closed = False

    def is_waiting(self):
        return not self.is_closed

    def close(self):
        self.is_closed = True


class _Recipe(PrewarmRecipe):
    title = "Python"

    def __init__(self, *results, idle_s=math.inf):
        self.idle_s = idle_s
        self.results = deque(results)
        self.prepared = []

    def prepare(self):
        result = self.results.popleft() if self.results else _Waiting()
        if isinstance(result, Exception):
            raise result
        if result is not None:
            self.prepared.append(result)
        return result

    def serves(self, program):
        return program is NOTHING


@pytest.fixture
def pool_of(monkeypatch):
    monkeypatch.setattr(warm_pool, "_RETRY_AFTER_S", 0.001)
    with ExitStack() as stack:

        def make(recipe, size=1):
            pool = WarmPool(recipe, size, is_busy=lambda: False)
            stack.callback(pool.close)
            return pool

        yield make


@pytest.mark.parametrize("error", [OSError(12, "no memory"), ValueError("a bug")])
def test_an_error_ends_no_pool(error, pool_of, caplog):
    with caplog.at_level(logging.WARNING, "service_server.local_engine"):
        ours = pool_of(_Recipe(error))
        assert ours.wait_until_full(10)

    assert ours.trouble is None
    assert "Python starts cold" in caplog.text


def test_hits_and_misses_are_counted(pool_of):
    ours = pool_of(_Recipe(OSError(12, "no memory"), *[None] * 1_000))
    assert ours.wait_until_full(0) is False
    assert ours.get(NOTHING) is None
    assert ours.get(replace(NOTHING)) is None  # a program that none would serve is no miss
    missed = ours.starts

    full = pool_of(_Recipe())
    assert full.wait_until_full(10)
    full.get(NOTHING)

    assert (missed.hits, missed.misses) == (0, 1)
    assert (full.starts.hits, full.starts.misses) == (1, 0)


def test_each_is_taken_once_and_replaced(pool_of):
    ours = pool_of(_Recipe(), size=2)

    taken = []
    for _ in range(3):
        assert ours.wait_until_full(10)
        taken.append(ours.get(NOTHING))

    assert len({id(each) for each in taken}) == 3


def test_one_that_has_ended_is_not_given_away(pool_of):
    recipe = _Recipe()
    ours = pool_of(recipe, size=2)
    assert ours.wait_until_full(10)
    first, second = recipe.prepared
    first.close()

    assert ours.get(NOTHING) is second


def test_a_program_that_it_does_not_serve_gets_none(pool_of):
    ours = pool_of(_Recipe())
    assert ours.wait_until_full(10)

    assert ours.get(replace(NOTHING, source="another")) is None


def test_none_is_started_before_the_first_job_where_they_are_not_kept_when_idle(pool_of):
    recipe = _Recipe(idle_s=300)
    ours = pool_of(recipe)

    assert not ours.wait_until_full(0.05)
    assert ours.get(NOTHING) is None
    assert ours.wait_until_full(10)


def test_ones_that_wait_end_when_there_has_been_no_job_of_their_kind_for_long(pool_of):
    recipe = _Recipe(idle_s=0.2)
    pool = pool_of(recipe, 2)

    assert pool.get(NOTHING) is None
    assert pool.wait_until_full(10)
    assert len(recipe.prepared) == 2
    assert eventually(lambda: all(each.is_closed for each in recipe.prepared))
    assert pool.is_idle
    assert pool.get(NOTHING) is None


def test_what_is_not_possible_yet_is_tried_again_and_is_no_trouble(pool_of, caplog):
    with caplog.at_level(logging.WARNING, "service_server.local_engine"):
        ours = pool_of(_Recipe(None, None))
        assert ours.wait_until_full(10)

    assert caplog.text == ""


def test_closing_it_ends_those_that_wait(pool_of):
    recipe = _Recipe()
    ours = pool_of(recipe, size=2)
    assert ours.wait_until_full(10)

    ours.close()

    assert all(each.is_closed for each in recipe.prepared)
