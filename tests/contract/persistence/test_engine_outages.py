"""Executions whose engine is away: they wait, and keep no other language from running."""

from dataclasses import replace
from datetime import timedelta

from domain.language import LANGUAGES
from domain.tenant import DEFAULT_TENANT
from tests.support.repository_steps import (
    claim,
    defer,
    deferred,
    end_execution,
    get,
    give_up,
    mark_building,
    mark_deferred,
    mark_started,
    orphaned,
    renew,
    waiting,
)
from tests.support.samples import LATER, NOW, a_claimed_job, a_running_job, cancel

EARLIER = NOW - timedelta(days=1)
NODE = LANGUAGES["node"]


def test_only_the_languages_that_are_wanted_are_claimed_in_their_usual_order(store):
    def ids(priority, *seconds, **spec):
        return [
            a_running_job(store, priority=priority, now=NOW + timedelta(seconds=second), **spec)[1].id
            for second in seconds
        ]

    python = ids(9, 1, 2)
    node = ids(5, 4, 3, language=NODE)
    java = ids(7, 5, language=LANGUAGES["java"])

    claimed = store.run(lambda t: t.executions.claim_next("worker", 30, limit=9, queues=["node", "java"]))

    assert [execution.id for execution in claimed] == [java[0], node[1], node[0]]
    assert [get(store, execution.id) for execution in claimed] == claimed
    assert claim(store, queues=["node", "java"]) is None
    assert claim(store, queues=[]) is None
    assert waiting(store, queues=["node"]) == []
    assert waiting(store, queues=["python"]) == waiting(store) == python


def test_what_its_engine_cannot_start_waits_again_as_if_it_had_not_been_claimed(store):
    _job, execution = a_running_job(store, now=EARLIER)
    claimed = claim(store, starts=True)
    mark_building(store, claimed)

    assert defer(store, claimed)

    waits = get(store, execution.id)
    assert waits == replace(execution, deferred_since=waits.deferred_since)
    assert waits.deferred_since >= claimed.claimed_at
    assert waiting(store) == [execution.id]
    assert renew(store, execution) == set()
    assert orphaned(store) == []
    again = claim(store, "another")
    assert (again.id, again.deferred_since) == (execution.id, waits.deferred_since)
    assert get(store, execution.id) == again
    assert defer(store, again, "another")
    assert get(store, execution.id).deferred_since == waits.deferred_since


def test_only_the_claim_that_stands_is_put_back(store):
    job, _execution = a_running_job(store, now=EARLIER)
    first = claim(store)
    assert not defer(store, first, worker="another")
    assert defer(store, first)
    assert not defer(store, first)
    second = claim(store)

    assert not defer(store, first)

    assert get(store, first.id) == second
    cancel(store, job)
    assert not defer(store, second)


def test_an_execution_is_put_back_for_so_long_and_no_longer(store):
    a_running_job(store, now=EARLIER)
    first = claim(store)
    assert defer(store, first, within_s=0.0)
    second = claim(store)

    assert not defer(store, second, within_s=0.0)

    assert get(store, first.id) == second


def test_what_waits_for_an_engine_that_is_away_says_so(store):
    _job, python = a_running_job(store, now=EARLIER)
    _job, node = a_running_job(store, now=EARLIER, language=NODE)
    _job, taken = a_running_job(store, now=EARLIER, priority=9)
    claim(store)

    assert [mark_deferred(store, "python", "java", limit=1) for _ in range(2)] == [1, 0]

    since = get(store, python.id).deferred_since
    assert since is not None
    assert get(store, node.id).deferred_since is get(store, taken.id).deferred_since is None
    assert deferred(store, "python") == [python.id]
    assert deferred(store, "node") == deferred(store, "python", longer_than_s=3_600) == []


def test_only_what_waits_is_given_up(store):
    _job, execution = a_running_job(store)
    assert give_up(store, execution)
    assert get(store, execution.id).ended_at == LATER
    assert not give_up(store, execution)
    assert claim(store) is None

    _job, taken = a_claimed_job(store)
    assert not give_up(store, taken)
    assert mark_started(store, taken)
    end_execution(store, taken, None)
    assert not give_up(store, taken)


def test_what_another_worker_can_run_waits_in_the_queue_of_its_runtime_and_is_not_deferred(store):
    _job, execution = a_running_job(store, now=EARLIER)

    assert defer(store, claim(store), within_s=None, queue="python@3.13")

    assert get(store, execution.id) == execution
    assert claim(store, queues=["python"]) is None
    assert waiting(store, queues=["python"]) == []
    assert waiting(store, queues=["python@3.13"]) == [execution.id]
    again = claim(store, queues=["python@3.13"])
    assert again.id == execution.id
    assert defer(store, again)
    assert claim(store, queues=["python"]) is None
    assert claim(store).id == execution.id


def count_waiting(store, at_most):
    return store.run(lambda transaction: transaction.executions.count_waiting(DEFAULT_TENANT, at_most))


def test_what_is_put_back_with_a_delay_lets_others_go_first(store):
    _job, older = a_running_job(store, now=EARLIER)
    _job, younger = a_running_job(store)
    refused = claim(store, starts=True)
    assert refused.id == older.id

    assert defer(store, refused, delay_s=60.0)

    waits = get(store, older.id)
    assert waits.delayed_until > waits.deferred_since >= refused.claimed_at
    expected = replace(older, deferred_since=waits.deferred_since, delayed_until=waits.delayed_until)
    assert waits == expected
    assert not defer(store, refused, delay_s=60.0)
    assert [count_waiting(store, at_most) for at_most in (9, 1)] == [2, 1]
    assert (claim(store).id, claim(store)) == (younger.id, None)
    assert count_waiting(store, 9) == 1
    store.pass_time(61)
    assert store.run(lambda transaction: transaction.executions.release(9)) == [older.id]
    again = claim(store, "another")
    assert (again.id, again.deferred_since) == (older.id, waits.deferred_since)
    assert not defer(store, again, "another", within_s=0.0, delay_s=60.0)
    assert get(store, older.id) == again


def test_what_is_left_to_another_worker_is_not_delayed(store):
    _job, execution = a_running_job(store, now=EARLIER)

    assert defer(store, claim(store), within_s=None, delay_s=60.0)

    assert claim(store, "another").id == execution.id
