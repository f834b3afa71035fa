"""The cases of jobs: claims of ranges, their leases, and results that are kept once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from application.ports.case_repository import CaseRun, JobBuild
from application.ports.purge_repository import Removed
from domain.blob import BlobRef
from domain.cases import CaseResult, Verdict
from domain.execution import Output
from domain.job_lifecycle import JobStatus
from domain.quota import Quota
from domain.tenant import DEFAULT_TENANT, TenantName, TenantStatus
from tests.support.repository_steps import claim as claim_execution
from tests.support.samples import LATER, a_claimed_job, a_running_job, cancel

_RUN = CaseRun(tree=BlobRef("a" * 64, 1234), compile_output=Output("a warning", 9))


@pytest.fixture
def change_tenant(store):
    """Change the default tenant until the test's end."""
    before = store.run(lambda transaction: transaction.tenants.get(DEFAULT_TENANT))
    current = before

    def change(**changes):
        nonlocal current
        after = replace(current, **changes)
        store.run(lambda transaction: transaction.tenants.replace(current, after))
        current = after

    yield change
    if current != before:
        store.run(lambda transaction: transaction.tenants.replace(current, before))


def _open(store, job, total=10, run=_RUN):
    return store.run(lambda transaction: transaction.cases.open(job.id, uuid4(), total, run))


def _a_job(store, total=10):
    job, _execution = a_claimed_job(store)
    _open(store, job, total)
    return job


def test_a_build_is_found_by_its_key_and_its_tenant_alone(store):
    job, _execution = a_claimed_job(store)
    key, other = uuid4().hex * 2, uuid4().hex * 2
    builds = [JobBuild(key=key, tree=BlobRef("b" * 64, 5), compile_output=Output("ok", 2))]
    builds.append(JobBuild(key=other, tree=BlobRef("c" * 64, 6)))

    store.run(lambda transaction: transaction.cases.open(job.id, uuid4(), 1, _RUN, builds))

    def find(tenant, key):
        return store.run(lambda transaction: transaction.cases.find_build(tenant, key))

    assert [find(DEFAULT_TENANT, each.key) for each in builds] == builds
    assert find(TenantName("other"), key) is None
    assert find(DEFAULT_TENANT, "d" * 64) is None


def _claim(store, job, limit=4, lease_s=30.0):
    return store.run(lambda transaction: transaction.cases.claim(job.id, uuid4(), limit, lease_s))


def _record(store, taken, *results, is_done=False):
    return store.run(
        lambda transaction: transaction.cases.record(taken.id, results, is_done=is_done, lease_s=30.0)
    )


def _results(store, job):
    return store.run(lambda transaction: transaction.cases.results(job.id))


def _remaining(store, job):
    return store.run(lambda transaction: transaction.cases.remaining(job.id))


def _offered(store, languages=None, limit=10):
    return list(store.run(lambda transaction: transaction.cases.offered(languages, limit)))


def _accepted(index):
    return CaseResult(index=index, name=f"case {index}", verdict=Verdict.ACCEPTED)


def _bounds(taken):
    return (taken.first, taken.last)


def test_a_build_is_noted_once(store):
    job, _execution = a_claimed_job(store)

    assert store.run(lambda transaction: transaction.cases.get(job.id)) is None
    assert _open(store, job)
    assert not _open(store, job, run=CaseRun(tree=None))

    assert store.run(lambda transaction: transaction.cases.get(job.id)) == _RUN
    assert _remaining(store, job) == 1


def test_what_was_not_built_has_no_files(store):
    job, _execution = a_claimed_job(store)
    _open(store, job, run=CaseRun(tree=None))

    assert store.run(lambda transaction: transaction.cases.get(job.id)) == CaseRun(tree=None)


def test_cases_are_claimed_from_the_front(store):
    job = _a_job(store, 10)

    claims = [_claim(store, job) for _ in range(4)]

    assert [_bounds(taken) for taken in claims[:3]] == [(0, 3), (4, 7), (8, 9)]
    assert claims[3] is None
    assert {taken.job_id for taken in claims[:3]} == {job.id}
    assert {taken.tenant for taken in claims[:3]} == {DEFAULT_TENANT}
    assert _remaining(store, job) == 3


def test_results_come_back_as_they_were(store):
    job = _a_job(store)
    taken = _claim(store, job)
    result = CaseResult(
        index=1,
        name="größte",
        verdict=Verdict.TIME_LIMIT,
        weight=2.5,
        hidden=True,
        time_ms=1001,
        cpu_time_ms=998,
        memory_mb=3.5,
        exit_code=1,
        signal=9,
        stdout="a\0b",
        stderr="oh",
        diff="line 1",
        checker_message="no",
        first_time_ms=1500,
        first_processors=(100, 97, 99),
        processors=(51,),
        points=0.5,
    )

    assert _record(store, taken, _accepted(0), result) == _RUN

    assert _results(store, job) == [_accepted(0), result]


def test_a_range_is_gone_when_it_is_done(store):
    job = _a_job(store, 2)
    taken = _claim(store, job)

    _record(store, taken, _accepted(0))
    assert _remaining(store, job) == 1
    _record(store, taken, _accepted(1), is_done=True)

    assert _remaining(store, job) == 0
    assert _claim(store, job) is None
    assert _record(store, taken, _accepted(2)) is None


def test_a_claim_whose_lease_runs_out_is_another_s(store):
    job = _a_job(store, 4)
    lost = _claim(store, job, lease_s=5.0)
    _record(store, lost, _accepted(0), _accepted(2))
    store.pass_time(31.0)

    taken = _claim(store, job)

    assert _bounds(taken) == (0, 3)
    assert taken.done == {0, 2}
    assert _record(store, lost, _accepted(1)) is None
    assert _record(store, taken, _accepted(1), _accepted(3), is_done=True) is not None
    assert [result.index for result in _results(store, job)] == [0, 1, 2, 3]


def test_part_of_a_lost_range_may_be_claimed(store):
    job = _a_job(store, 4)
    _claim(store, job, lease_s=5.0)
    store.pass_time(6.0)

    assert _bounds(_claim(store, job, limit=1)) == (0, 0)
    assert _bounds(_claim(store, job, limit=9)) == (1, 3)


def test_a_lease_is_renewed(store):
    job = _a_job(store, 4)
    taken = _claim(store, job, lease_s=5.0)
    store.pass_time(4.0)

    kept = store.run(lambda transaction: transaction.cases.renew([taken.id, uuid4()], 5.0))
    store.pass_time(4.0)

    assert kept == {taken.id}
    assert _claim(store, job) is None


def test_released_cases_are_claimed_by_others(store):
    job = _a_job(store, 4)
    taken = _claim(store, job)

    store.run(lambda transaction: transaction.cases.release([taken.id]))

    other = _claim(store, job)
    assert _bounds(other) == (0, 3)
    assert other.id != taken.id


def test_nothing_is_claimed_or_kept_of_a_job_that_has_ended(store):
    job = _a_job(store, 10)
    taken = _claim(store, job)
    cancel(store, job)

    assert _claim(store, job) is None
    assert _record(store, taken, _accepted(0)) is None
    assert store.run(lambda transaction: transaction.cases.renew([taken.id], 5.0)) == set()
    assert _offered(store) == []
    assert _results(store, job) == []


def test_the_lowest_failure_decides_what_is_skipped(store):
    job = _a_job(store)

    for index in (7, 3, 5):
        store.run(lambda transaction, index=index: transaction.cases.skip_after(job.id, index))

    assert store.run(lambda transaction: transaction.cases.get(job.id)) == replace(_RUN, skip_after=3)


class TestOffers:
    def test_are_jobs_with_cases_that_nobody_has(self, store):
        job, all_taken = _a_job(store), _a_job(store, 1)
        _claim(store, all_taken)
        a_running_job(store)

        assert _offered(store) == [job.id]

    def test_begin_with_the_job_that_fewest_work_on(self, store):
        first, second = _a_job(store), _a_job(store)
        _claim(store, first)

        assert _offered(store) == [second.id, first.id]
        assert _offered(store, limit=1) == [second.id]

    def test_include_lost_ranges(self, store):
        job = _a_job(store, 1)
        _claim(store, job, lease_s=5.0)
        assert _offered(store) == []

        store.pass_time(6.0)

        assert _offered(store) == [job.id]

    def test_are_in_the_languages_of_the_engine(self, store):
        job = _a_job(store)

        assert _offered(store, {job.spec.language.name}) == [job.id]
        assert _offered(store, {"cobol"}) == []

    def test_leave_out_a_tenant_with_as_many_running_as_it_may_have(self, store, change_tenant):
        job = _a_job(store, 10)
        change_tenant(quota=Quota.of({"running": 2}))
        _claim(store, job)
        assert _offered(store) == [job.id]

        _claim(store, job)

        assert _offered(store) == []

    def test_leave_out_a_tenant_that_is_suspended(self, store, change_tenant):
        _a_job(store)
        change_tenant(status=TenantStatus.SUSPENDED)

        assert _offered(store) == []


@pytest.mark.parametrize("limit", [1, 7])
def test_each_case_is_claimed_by_one_of_many_threads(store, limit):
    job = _a_job(store, 60)
    begin = threading.Barrier(4)

    def work(_):
        unit_of_work = store.another()
        begin.wait()
        mine = []
        while True:
            taken = unit_of_work.run(
                lambda transaction: transaction.cases.claim(job.id, uuid4(), limit, 300.0)
            )
            if taken is None:
                if not unit_of_work.read(lambda transaction: transaction.cases.offered(None, 1)):
                    return mine
                continue
            mine += range(taken.first, taken.last + 1)
            results = [_accepted(index) for index in range(taken.first, taken.last + 1)]
            unit_of_work.run(
                lambda transaction, taken=taken, results=results: transaction.cases.record(
                    taken.id, results, is_done=True, lease_s=300.0
                )
            )

    with ThreadPoolExecutor(4) as threads:
        claimed = [index for mine in threads.map(work, range(4)) for index in mine]

    assert sorted(claimed) == list(range(60))
    assert [result.index for result in _results(store, job)] == list(range(60))
    assert _remaining(store, job) == 0


def test_an_execution_is_claimed_beside_cases(store):
    _a_job(store)
    _job, waiting = a_running_job(store)

    assert claim_execution(store).id == waiting.id


def test_the_cases_of_a_job_go_with_it(store):
    job, kept = _a_job(store), _a_job(store)
    for one in (job, kept):
        _record(store, _claim(store, one), _accepted(0))
    ended = cancel(store, job)

    store.run(lambda transaction: transaction.purges.remove_job(ended))

    assert store.run(lambda transaction: transaction.cases.get(job.id)) is None
    assert _results(store, job) == []
    assert _remaining(store, job) == 0
    assert len(_results(store, kept)) == 1
    assert _remaining(store, kept) == 2


def test_results_of_many_cases_go_in_slices_and_their_jobs_after_them(store):
    # Given two jobs that have ended, with three results each, and one that is kept
    due, kept = [_a_job(store), _a_job(store)], _a_job(store)
    for job in (*due, kept):
        taken = _claim(store, job)
        _record(store, taken, *(_accepted(index) for index in range(3)))
    ids = [cancel(store, job).id for job in due]

    def remove(limit):
        return store.run(
            lambda t: t.retention.remove_jobs(ids, JobStatus.CANCELLED, LATER + timedelta(days=1), limit)
        )

    def left():
        return [len(_results(store, job)) for job in due]

    # When they are removed with room for four results, then four of them go, and no job
    assert remove(4) == Removed([], [], 0, 4)
    assert sorted(left()) == [0, 2]
    # And with two left, for which there is room, the jobs go
    removed = remove(4)
    assert (set(removed.jobs), removed.cases) == (set(ids), 2)
    assert left() == [0, 0]
    assert len(_results(store, kept)) == 3
