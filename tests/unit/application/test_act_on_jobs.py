"""Acts on many jobs."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from application.errors import AmbiguousJobId, NotFound, StorageUnavailable
from application.lists import JobFilter
from application.use_cases.act_on_jobs import FilteredJobs, JobAction
from application.use_cases.run_again import Changes
from domain.audit import DONE, Act
from domain.caller import Scope
from domain.errors import InvalidValue, ScopeMissing, TenantTransitionRefused
from domain.idempotency import IdempotentRequest
from domain.job_lifecycle import JobStatus
from domain.submission import TagChange
from domain.tenant import TenantStatus
from domain.values import JobId
from tests.support.callers import ANONYMOUS, a_caller
from tests.support.in_memory_service import MAX_JOB_ACTIONS


def test_each_act_is_recorded_as_the_one_on_one_job_is(service):
    ids = [service.upload().job_id for _ in range(2)]
    unknown = JobId(uuid4())

    done = service.act_on_jobs(ANONYMOUS, JobAction.CANCEL, [ids[0], unknown, ids[1]])

    assert [result.job_id for result in done.results] == [ids[0], unknown, ids[1]]
    assert [result.job and result.job.status for result in done.results] == ["CANCELLED", None, "CANCELLED"]
    assert isinstance(done.results[1].error, NotFound)
    entries = service.unit_of_work.read(lambda transaction: transaction.audit.waiting(100))
    assert [(e.act, e.subject, e.outcome == DONE) for e in entries if e.act == Act.JOB_CANCEL] == [
        (Act.JOB_CANCEL, str(job_id), job_id != unknown) for job_id in (ids[0], unknown, ids[1])
    ]


def test_a_caller_acts_on_its_own_jobs_alone(service):
    job = service.upload()
    stranger = a_caller("acme")

    by_id = service.act_on_jobs(stranger, JobAction.CANCEL, [job.job_id])
    by_filter = service.act_on_jobs(stranger, JobAction.CANCEL, FilteredJobs(JobFilter(limit=2)))

    assert isinstance(by_id.results[0].error, NotFound)
    assert by_filter.results == []
    assert service.job_reader.status(ANONYMOUS, job.job_id).status is JobStatus.PENDING


def test_jobs_are_named_by_the_beginnings_of_their_ids_and_each_is_acted_on_once(service):
    first, second = service.upload(), service.upload()
    one, other = str(first.job_id), str(second.job_id)

    done = service.act_on_jobs(ANONYMOUS, JobAction.RERUN, [one.replace("-", ""), one, "ffffffff", other])

    assert [result.job_id for result in done.results] == [first.job_id, "ffffffff", second.job_id]
    assert [result.job and result.job.rerun_of for result in done.results] == [
        first.job_id,
        None,
        second.job_id,
    ]
    assert isinstance(done.results[1].error, NotFound)


def test_a_beginning_of_several_ids_is_acted_on_for_none_of_them(service):
    jobs = [service.upload() for _ in range(2)]
    shared = str(UUID(int=jobs[0].job_id.int))[:8]

    done = service.act_on_jobs(ANONYMOUS, JobAction.CANCEL, [shared])

    (result,) = done.results
    assert isinstance(result.error, AmbiguousJobId)
    assert set(result.error.candidates) == {str(job.job_id) for job in jobs}
    assert {service.job_reader.status(ANONYMOUS, job.job_id).status for job in jobs} == {JobStatus.PENDING}


def test_new_jobs_of_a_rerun_have_the_changes(service):
    jobs = [service.upload(args=("a",)) for _ in range(2)]

    done = service.act_on_jobs(
        ANONYMOUS, JobAction.RERUN, [job.job_id for job in jobs], changes=Changes(args=("b", "c"))
    )

    assert len(done.results) == 2
    for result in done.results:
        assert result.job is not None
        assert service.job_reader.get(ANONYMOUS, result.job.job_id).job.spec.args == ("b", "c")


@pytest.mark.parametrize("number", [0, MAX_JOB_ACTIONS + 1])
def test_a_call_has_a_bounded_number_of_jobs(service, number):
    with pytest.raises(InvalidValue):
        service.act_on_jobs(ANONYMOUS, JobAction.DELETE, [JobId(uuid4()) for _ in range(number)])
    with pytest.raises(InvalidValue):
        service.act_on_jobs(ANONYMOUS, JobAction.DELETE, FilteredJobs(JobFilter(limit=number)))


def test_a_filter_takes_the_scope_to_read(service):
    writer = replace(ANONYMOUS, scopes=frozenset({Scope.JOBS_WRITE}))

    with pytest.raises(ScopeMissing, match=Scope.JOBS_READ):
        service.act_on_jobs(writer, JobAction.CANCEL, FilteredJobs(JobFilter(limit=1)))


@pytest.mark.parametrize(
    "jobs", [["ffffffff"], FilteredJobs(JobFilter(limit=1)), FilteredJobs(JobFilter(limit=1), project="a/b")]
)
def test_a_refused_call_leaves_its_idempotency_key_to_the_next(service, jobs):
    now = service.clock.now()
    request = IdempotentRequest(
        id=uuid4(), key="k", fingerprint="f", received_at=now, answer_due=now + timedelta(seconds=5)
    )
    scopes = frozenset({Scope.JOBS_WRITE, *([Scope.JOBS_READ] if getattr(jobs, "project", None) else [])})
    caller = replace(ANONYMOUS, idempotency=request, scopes=scopes)

    with pytest.raises((ScopeMissing, InvalidValue)):
        service.act_on_jobs(caller, JobAction.CANCEL, jobs)

    other = replace(request, id=uuid4(), fingerprint="of another body")
    service.act_on_jobs(replace(ANONYMOUS, idempotency=other), JobAction.CANCEL, ["ffffffff"])


def test_a_call_whose_answer_was_lost_goes_on_and_runs_no_job_again_twice(service):
    jobs = [service.upload() for _ in range(2)]
    service.clock.advance(1)
    now = service.clock.now()
    request = IdempotentRequest(
        id=uuid4(), key="k", fingerprint="f", received_at=now, answer_due=now + timedelta(seconds=5)
    )
    first = service.act_on_jobs(
        replace(ANONYMOUS, idempotency=request), JobAction.RERUN, FilteredJobs(JobFilter(limit=4))
    )
    service.clock.advance(10)
    later = replace(request, id=uuid4(), received_at=service.clock.now())

    again = service.act_on_jobs(
        replace(ANONYMOUS, idempotency=later), JobAction.RERUN, FilteredJobs(JobFilter(limit=4))
    )

    assert len(first.results) == len(jobs)
    assert [(one.job_id, one.job.job_id) for one in again.results] == [
        (one.job_id, one.job.job_id) for one in first.results
    ]
    assert len(service.database.tables.jobs) == 4


def test_once_a_store_is_out_of_reach_the_rest_is_not_tried(service, monkeypatch):
    jobs = [service.upload().job_id for _ in range(3)]
    copied = []

    def copy(source, *_others):
        copied.append(source)
        raise StorageUnavailable("no answer")

    monkeypatch.setattr(service.code_store, "copy", copy)

    done = service.act_on_jobs(ANONYMOUS, JobAction.RERUN, jobs)

    assert [result.job_id for result in done.results] == jobs
    assert [type(result.error) for result in done.results] == [StorageUnavailable] * 3
    assert len(copied) == 1


def test_tagging_is_recorded_and_keeps_what_it_does_not_name(service):
    job = service.upload(tags={"team": "blue", "old": "1"})

    done = service.act_on_jobs(
        ANONYMOUS, JobAction.TAG, [job.job_id], TagChange({"reviewed": "yes"}, frozenset({"old"}))
    )

    assert done.results[0].job.tags == {"team": "blue", "reviewed": "yes"}
    entries = service.unit_of_work.read(lambda transaction: transaction.audit.waiting(100))
    assert [(e.subject, e.outcome) for e in entries if e.act == Act.JOB_TAG] == [(str(job.job_id), DONE)]


def test_a_suspended_tenant_tags_none(service):
    job = service.upload()
    suspended = replace(ANONYMOUS, tenant=replace(ANONYMOUS.tenant, status=TenantStatus.SUSPENDED))

    done = service.act_on_jobs(suspended, JobAction.TAG, [job.job_id], TagChange({"a": "1"}))

    assert isinstance(done.results[0].error, TenantTransitionRefused)
