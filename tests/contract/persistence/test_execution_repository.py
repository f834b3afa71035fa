import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from domain.execution import ExecutionResult, Note, Output
from domain.execution_lifecycle import ExecutionState
from domain.job_lifecycle import JobStatus
from domain.tenant import DEFAULT_TENANT, TenantName
from domain.trace_context import TraceContext
from tests.support.repository_steps import (
    await_storage,
    awaiting_storage,
    claim,
    delegate,
    end_execution,
    expire_lease,
    get,
    mark_building,
    mark_started,
    orphaned,
    renew,
    set_notes,
    unmark_started,
    waiting,
)
from tests.support.samples import (
    LATER,
    NOW,
    a_claimed_job,
    a_running_job,
    cancel,
    end,
    new_execution_id,
)

SUCCESS = ExecutionResult(status=JobStatus.SUCCESS, stdout=Output.of("42\n"), exit_code=0)


def test_an_execution_comes_back_as_it_was(store):
    _job, execution = a_running_job(store, stdin="in\0put \U0001f600", priority=9)

    assert get(store, execution.id) == execution
    assert get(store, new_execution_id()) is None


def test_an_execution_has_the_trace_of_its_request_when_it_is_claimed_and_after(store):
    traces = [
        TraceContext("00-" + "a" * 32 + "-" + "b" * 16 + "-01", state) for state in ("", "v=" + "x" * 510)
    ]
    for trace in traces:
        _job, execution = a_running_job(store, trace=trace)

        assert claim(store).trace == trace
        assert get(store, execution.id).trace == trace


def test_an_execution_that_is_stored_already_stays_as_it_is(store):
    job, execution = a_claimed_job(store)

    store.run(lambda transaction: transaction.executions.add(job, replace(execution, stdin="another")))

    assert get(store, execution.id) == execution


def test_the_waiting_executions_of_a_tenant_are_counted_up_to_a_bound(store):
    for _ in range(4):
        a_running_job(store)
    claim(store)

    def count(tenant, at_most):
        return store.run(lambda transaction: transaction.executions.count_waiting(tenant, at_most))

    assert [count(DEFAULT_TENANT, at_most) for at_most in (0, 2, 3, 9)] == [0, 2, 3, 3]
    assert count(TenantName("acme"), 9) == 0


def test_nothing_is_claimed_where_nothing_waits(store):
    assert claim(store) is None


def test_a_claim_is_by_a_worker_and_at_a_time(store):
    _job, execution = a_running_job(store)

    claimed = claim(store, "a worker \U0001f600")

    assert claimed.claimed_by == "a worker \U0001f600"
    assert claimed.claimed_at.utcoffset() == timedelta(0)
    assert claimed == replace(execution, claimed_by=claimed.claimed_by, claimed_at=claimed.claimed_at)
    assert get(store, execution.id) == claimed
    assert claim(store) is None


def test_the_most_urgent_is_claimed_first_and_then_the_oldest(store):
    def ids(priority, *seconds):
        return {
            second: a_running_job(store, priority=priority, now=NOW + timedelta(seconds=second))[1].id
            for second in seconds
        }

    usual = ids(5, 3, 1, 2)
    urgent = ids(9, 5, 4)
    lazy = ids(0, 0)

    claimed = [claim(store).id, *claim_ids(store, limit=3), *claim_ids(store, limit=9)]

    assert claimed == [urgent[4], urgent[5], usual[1], usual[2], usual[3], lazy[0]]
    assert claim_ids(store, limit=9) == []


def claim_ids(store, limit):
    claimed = store.run(lambda transaction: transaction.executions.claim_next("worker", 30, limit=limit))
    assert [get(store, execution.id) for execution in claimed] == claimed
    return [execution.id for execution in claimed]


def test_every_execution_is_claimed_once_by_many_workers_at_once(store):
    wanted = {a_running_job(store)[1].id for _ in range(40)}
    units_of_work = [store.unit_of_work, store.another()]
    barrier = threading.Barrier(8)

    def work(number):
        claimed = []
        barrier.wait()
        while True:
            unit_of_work = units_of_work[number % 2]
            found = unit_of_work.run(
                lambda t: t.executions.claim_next(f"worker {number}", 30, limit=1 + number % 3)
            )
            if not found:
                return claimed
            claimed += [execution.id for execution in found]

    with ThreadPoolExecutor(8) as pool:
        claimed = [execution_id for ids in pool.map(work, range(8)) for execution_id in ids]

    assert len(claimed) == len(wanted)
    assert set(claimed) == wanted


def test_a_lease_runs_out_unless_it_is_renewed(store):
    _job, execution = a_claimed_job(store, lease_s=30)
    store.pass_time(20)
    assert orphaned(store) == []
    assert renew(store, execution) == {execution.id}
    store.pass_time(20)
    assert orphaned(store) == []

    store.pass_time(20)

    assert orphaned(store) == [execution.id]


def test_a_worker_renews_what_it_holds_and_nothing_else(store):
    _job, mine = a_claimed_job(store)
    _job, theirs = a_claimed_job(store, "another worker")
    cancelled_job, cancelled = a_claimed_job(store)
    cancel(store, cancelled_job)
    _job, ended = a_claimed_job(store)
    end_execution(store, ended, None)
    replaced_job, replaced = a_claimed_job(store)
    replace_execution(store, replaced_job, replaced)
    _job, waits = a_running_job(store)

    assert renew(store, mine, theirs, cancelled, ended, replaced, waits) == {mine.id}
    assert renew(store) == set()
    store.pass_time(31)
    assert renew(store, mine, lease_s=60) == {mine.id}  # late, but before anybody saw to it
    assert set(orphaned(store)) == {theirs.id, cancelled.id, replaced.id}


def replace_execution(store, job, lost_execution):
    after, execution, _events = job.retry(lost_execution, new_execution_id(), LATER)

    def work(transaction):
        transaction.jobs.replace(job, after)
        transaction.executions.add(after, execution)
        transaction.executions.claim_next("another worker", 300)

    store.run(work)


def test_a_start_is_recorded_once_and_for_the_worker_that_holds_the_execution(store):
    _job, execution = a_claimed_job(store)

    assert not mark_started(store, execution, "another worker")
    assert mark_started(store, execution)

    started = get(store, execution.id)
    assert started.started_at is not None
    store.pass_time(5)
    assert mark_started(store, execution)
    assert get(store, execution.id) == started


def test_a_build_is_recorded_for_the_worker_that_holds_the_execution(store):
    _job, execution = a_claimed_job(store)

    mark_building(store, execution, "another worker")
    assert get(store, execution.id) == execution

    mark_building(store, execution)
    assert get(store, execution.id).building_at is not None


def test_notes_are_recorded_before_the_end_and_stay_beside_those_of_the_result(store):
    _job, execution = a_claimed_job(store)
    set_notes(store, execution, [Note.NO_NETWORK], "another worker")
    assert get(store, execution.id).notes == ()

    set_notes(store, execution, [Note.STDIN_NOT_PASSED])
    assert get(store, execution.id).all_notes == (Note.STDIN_NOT_PASSED,)

    result = ExecutionResult(status=JobStatus.SUCCESS, notes=(Note.USAGE_UNKNOWN, Note.STDIN_NOT_PASSED))
    end_execution(store, execution, result)

    assert get(store, execution.id).all_notes == (Note.STDIN_NOT_PASSED, Note.USAGE_UNKNOWN)


def test_a_claim_may_be_the_start_as_well(store):
    _job, execution = a_running_job(store)

    claimed = claim(store, starts=True)

    assert claimed.started_at == claimed.claimed_at
    assert get(store, execution.id) == claimed
    store.pass_time(5)
    assert mark_started(store, claimed)
    assert get(store, execution.id) == claimed


def test_a_start_is_taken_back_by_the_worker_that_holds_the_execution_and_comes_later(store):
    a_running_job(store)
    claimed = claim(store, starts=True)

    unmark_started(store, claimed, "another worker")
    assert get(store, claimed.id).started_at == claimed.started_at
    unmark_started(store, claimed)
    assert get(store, claimed.id).started_at is None
    assert mark_started(store, claimed)
    assert get(store, claimed.id).started_at is not None


def test_the_start_of_what_has_ended_is_not_taken_back(store):
    a_running_job(store)
    claimed = claim(store, starts=True)
    end_execution(store, claimed, SUCCESS)

    unmark_started(store, claimed)

    assert get(store, claimed.id).started_at == claimed.started_at


def test_a_cancelled_job_is_not_started(store):
    job, execution = a_claimed_job(store)
    cancel(store, job)

    assert not mark_started(store, execution)
    assert get(store, execution.id).started_at is None


def test_of_a_cancel_and_a_start_at_once_neither_is_lost(store):
    for _ in range(5):
        job, execution = a_claimed_job(store)
        other = store.another()
        barrier = threading.Barrier(2)

        def start(execution=execution, barrier=barrier):
            barrier.wait()
            return mark_started(store, execution)

        def stop(job=job, execution=execution, barrier=barrier, other=other):
            barrier.wait()

            def work(transaction):
                before = transaction.jobs.get_of_any_tenant(job.id)
                transaction.jobs.replace(before, before.cancel(LATER)[0])
                transaction.executions.end(execution.id, None, LATER)

            other.run(work)

        with ThreadPoolExecutor(2) as pool:
            was_held, _ = pool.submit(start), pool.submit(stop)

        after = get(store, execution.id)
        assert after.ended_at == LATER
        assert after.started_at == was_held.result()


def test_one_execution_can_be_claimed_by_its_id_while_it_waits(store):
    _job, urgent = a_running_job(store, priority=9)
    _job, wanted = a_running_job(store, priority=0)

    def claim_it(worker):
        return store.run(lambda transaction: transaction.executions.claim(wanted.id, worker, 30))

    assert claim_it("worker").id == wanted.id
    assert claim_it("another worker") is None
    assert waiting(store) == [urgent.id]
    assert get(store, wanted.id).claimed_by == "worker"


def test_a_delegated_execution_is_the_engines_with_a_lease_of_its_own(store):
    _job, execution = a_claimed_job(store, lease_s=30)
    assert not delegate(store, execution, "another worker")

    assert delegate(store, execution, lease_s=600)

    assert get(store, execution.id).claimed_by == "engine:x"
    assert not store.run(
        lambda transaction: transaction.executions.delegate(execution.id, "worker", "engine:y", 600)
    )
    assert not mark_started(store, execution)
    store.pass_time(500)
    assert orphaned(store) == []
    store.pass_time(200)
    assert orphaned(store) == [execution.id]


def test_an_execution_whose_result_is_kept_is_its_keeper_s_with_a_lease_of_its_own(store):
    job, execution = a_claimed_job(store, lease_s=30)
    _other_job, waiting_one = a_running_job(store)
    assert not await_storage(store, waiting_one)
    assert awaiting_storage(store) == 0

    assert await_storage(store, execution, lease_s=600)

    assert get(store, execution.id).state is ExecutionState.SPOOLED
    assert awaiting_storage(store) == 1
    assert renew(store, execution) == set()
    store.pass_time(500)
    assert orphaned(store) == []
    assert await_storage(store, execution, "log-spool:of another process", lease_s=600)
    store.pass_time(500)
    assert orphaned(store) == []
    cancel(store, job)
    assert not await_storage(store, execution)
    end_execution(store, execution, SUCCESS)
    assert awaiting_storage(store) == 0


def test_an_ended_execution_neither_waits_nor_is_claimed_nor_lost(store):
    _job, claimed = a_claimed_job(store)
    _job, waits = a_running_job(store)
    end_execution(store, claimed, SUCCESS)
    end_execution(store, waits, None)
    store.pass_time(600)

    assert claim(store) is None
    assert waiting(store) == []
    assert orphaned(store) == []


def test_only_an_execution_whose_lease_has_run_out_is_abandoned_and_only_once(store):
    _job, execution = a_claimed_job(store, lease_s=30)
    _job, waits = a_running_job(store)
    assert not expire_lease(store, execution)
    store.pass_time(31)

    assert not expire_lease(store, waits)
    assert expire_lease(store, execution)
    assert not expire_lease(store, execution, LATER + timedelta(seconds=1))

    assert get(store, execution.id) == replace(execution, ended_at=LATER)
    assert not mark_started(store, execution)
    assert orphaned(store) == []


def test_of_many_sweeps_at_once_one_abandons(store):
    _job, execution = a_claimed_job(store, lease_s=30)
    store.pass_time(31)
    units_of_work = [store.unit_of_work, store.another()]
    barrier = threading.Barrier(6)

    def sweep(number):
        barrier.wait()
        return units_of_work[number % 2].run(lambda t: t.executions.expire_lease(execution.id, LATER))

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(sweep, range(6))) == 1


def test_the_oldest_lost_come_first_and_no_more_than_the_limit(store):
    ages = [3, 1, 2]
    ids = {age: a_running_job(store, now=NOW - timedelta(seconds=age))[1].id for age in ages}
    for _ in ages:
        claim(store, lease_s=1)
    store.pass_time(2)

    assert orphaned(store, limit=2) == [ids[3], ids[2]]


def test_the_oldest_waiting_come_first_and_no_more_than_the_limit(store):
    ids = {
        age: a_running_job(store, priority=age, now=NOW - timedelta(seconds=age))[1].id for age in (1, 3, 2)
    }
    store.pass_time(60)
    a_running_job(store, now=NOW - timedelta(hours=1))  # added last, whatever its clock said

    assert waiting(store, longer_than_s=30, limit=2) == [ids[3], ids[2]]
    assert waiting(store, longer_than_s=90) == []


def test_an_execution_of_an_ended_job_is_not_held(store):
    job, execution = a_claimed_job(store)
    end(store, job, JobStatus.FAILED)

    assert renew(store, execution) == set()
    assert not mark_started(store, execution)
    assert not delegate(store, execution)


def test_a_lease_from_before_the_clock_was_set_back_is_over(store):
    _job, execution = a_claimed_job(store)
    store.pass_time(-30)
    assert orphaned(store) == []
    assert not expire_lease(store, execution)

    store.pass_time(-600)

    assert orphaned(store) == [execution.id]
    assert expire_lease(store, execution)


def test_a_renewal_after_the_clock_was_set_back_stands(store):
    _job, execution = a_claimed_job(store)
    store.pass_time(-600)

    assert renew(store, execution) == {execution.id}

    assert orphaned(store) == []


def test_what_has_waited_since_before_the_clock_was_set_back_has_waited_for_long(store):
    _job, execution = a_running_job(store)
    assert waiting(store, longer_than_s=300) == []

    store.pass_time(-600)

    assert waiting(store, longer_than_s=300) == [execution.id]


def test_no_time_is_before_the_one_before_it(store):
    # Given an execution that was requested by a host whose clock is far ahead
    ahead = NOW.replace(year=2099)
    _job, execution = a_running_job(store, now=ahead)

    claimed = claim(store)
    assert claimed.claimed_at == ahead
    assert get(store, execution.id) == claimed

    mark_building(store, execution)
    assert mark_started(store, execution) == ahead
    assert get(store, execution.id).building_at == get(store, execution.id).started_at == ahead


def test_a_claim_that_is_a_start_is_no_sooner_than_its_request(store):
    ahead = NOW.replace(year=2099)
    a_running_job(store, now=ahead)

    claimed = claim(store, starts=True)

    assert claimed.started_at == claimed.claimed_at == ahead
    assert get(store, claimed.id) == claimed
