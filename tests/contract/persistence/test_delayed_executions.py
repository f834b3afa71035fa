"""Executions that are delayed, in every store."""

import pytest

from domain.execution_lifecycle import ExecutionState
from domain.tenant import DEFAULT_TENANT
from tests.support.repository_steps import claim, end_execution, get, orphaned, waiting
from tests.support.samples import a_running_job


def release(store, limit=10):
    return list(store.run(lambda transaction: transaction.executions.release(limit)))


def has_due(store):
    return store.unit_of_work.read(lambda transaction: transaction.executions.has_due())


def test_a_delayed_execution_waits_when_its_delay_is_over(store):
    _job, execution = a_running_job(store, delay_s=60)
    stored = get(store, execution.id)
    assert stored.state is ExecutionState.DELAYED
    assert stored.delayed_until is not None
    assert (claim(store), has_due(store), release(store)) == (None, False, [])
    assert (waiting(store), orphaned(store)) == ([], [])
    assert store.run(lambda t: t.executions.count_waiting(DEFAULT_TENANT, 10)) == 0

    store.pass_time(61)

    assert has_due(store)
    assert release(store) == [execution.id]
    assert (has_due(store), release(store)) == (False, [])
    assert get(store, execution.id) == execution
    assert claim(store).id == execution.id


def test_one_execution_is_released_when_its_delay_is_over_and_no_other(store):
    (_job, execution), (_other_job, other) = (
        a_running_job(store, delay_s=60),
        a_running_job(store, delay_s=60),
    )

    def release_it():
        return store.run(lambda transaction: transaction.executions.release_one(execution.id))

    assert not release_it()
    store.pass_time(61)

    assert (release_it(), release_it()) == (True, False)
    assert get(store, execution.id).state is ExecutionState.WAITING
    assert release(store) == [other.id]


def test_one_that_ends_is_not_released(store):
    _job, execution = a_running_job(store, delay_s=1)
    end_execution(store, execution, None)
    store.pass_time(60)

    assert (has_due(store), release(store)) == (False, [])


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_so_many_at_most_are_released_at_once(store, limit):
    for _ in range(3):
        a_running_job(store, delay_s=1)
    store.pass_time(60)

    assert len(release(store, limit)) == limit
    assert len(release(store)) == 3 - limit


def test_a_delay_from_before_the_clock_was_set_back_is_over(store):
    _job, execution = a_running_job(store, delay_s=1)
    store.pass_time(-3_600)

    assert release(store) == [execution.id]
