"""Batches: their submission, cancellation and completion."""

from dataclasses import replace
from uuid import uuid4

import pytest

from application.commands import UploadCodeCommand
from application.errors import BatchRefused, DependencyUnavailable, NotFound, QuotaExceeded, RefusedJob
from application.new_files import NewBlob, NewFile
from application.submitted_cases import NewCase
from domain.audit import Act
from domain.errors import InvalidValue, ProjectTransitionRefused, TenantTransitionRefused, TooLarge
from domain.job_lifecycle import JobStatus
from domain.project import ProjectTrigger
from domain.quota import Quota
from domain.tenant import TenantStatus
from domain.values import BatchId
from tests.support.callers import ANONYMOUS, a_caller
from tests.support.in_memory_service import MAX_BATCH_JOBS
from tests.support.scripted_engine import take_over


def a_command(**changed) -> UploadCodeCommand:
    fields = {"project": "demo", "code": "print(1)", "language": "python", "execute": True, **changed}
    return UploadCodeCommand(**fields)


def submit(service, number=2, *, caller=ANONYMOUS, **changed):
    return service.submit_batch(caller, [a_command(**changed)] * number)


def entries(service, act):
    return [entry for entry in service.database.tables.audit_journal.values() if entry.act == act]


def relay(service):
    """Publish all that was committed, as the relay of a process does."""
    published = 0
    while messages := service.relay.offered[published:]:
        published += len(messages)
        service.relay_outbox(messages)


def test_the_jobs_of_a_batch_are_run_as_others_are(service):
    batch = submit(service, 3)

    while service.run_execution():
        pass

    seen = service.batch_reader.get(ANONYMOUS, batch.batch.id)
    assert seen.by_status == {JobStatus.SUCCESS: 3}
    assert seen.jobs == tuple(batch.jobs)
    assert [service.code_store.objects[service.job(job_id).code_key] for job_id in seen.jobs] == [
        b"print(1)"
    ] * 3


def test_a_job_that_is_not_to_be_executed_stays_pending(service):
    batch = service.submit_batch(ANONYMOUS, [a_command(), a_command(execute=False)])

    assert batch.by_status == {JobStatus.RUNNING: 1, JobStatus.PENDING: 1}
    assert [service.job(job_id).status for job_id in batch.jobs] == ["RUNNING", "PENDING"]


def test_one_message_wakes_workers_for_all_executions(service):
    submit(service, 5)

    relay(service)

    assert service.announced() == ["BatchSubmitted"]
    assert service.work_queue.wake_ups == 5


def test_the_faults_of_all_jobs_are_named_and_nothing_is_stored(service):
    commands = [
        a_command(),
        a_command(language="cobol"),
        RefusedJob(2, "code", "is required"),
        a_command(code="x" * 1_001),
        a_command(project="77"),
        a_command(limits={"memory_mb": 1}),
    ]

    with pytest.raises(BatchRefused, match="5 of the jobs") as refused:
        service.submit_batch(ANONYMOUS, commands)

    assert [(fault.index, fault.field) for fault in refused.value.faults] == [
        (1, "language"),
        (2, "code"),
        (3, "code"),
        (4, "project"),
        (5, "memory_mb"),
    ]
    assert service.database.tables.jobs == {}
    assert service.code_store.objects == {}
    assert [entry.outcome for entry in entries(service, Act.BATCH_SUBMIT)] == ["batch_refused"]


@pytest.mark.parametrize("number", [0, MAX_BATCH_JOBS + 1])
def test_a_batch_of_no_jobs_or_too_many_is_refused(service, number):
    with pytest.raises(InvalidValue, match="1 to 10 jobs"):
        submit(service, number)


def test_the_cases_of_a_batch_have_a_bound_however_few_bytes_name_them(service):
    files = (NewFile("in", NewBlob.of(b"x" * (1 << 20))),)

    submit(service, 8, files=files, cases=(NewCase(stdin_file="in"),) * 7)
    with pytest.raises(TooLarge, match="67108864 bytes together"):
        submit(service, 10, files=files, cases=(NewCase(stdin_file="in"),) * 7)

    assert len(service.database.tables.jobs) == 8


def test_an_archived_project_has_no_files_of_a_batch_stored(service):
    submit(service, 1)
    service.change_project(ANONYMOUS, "demo", ProjectTrigger.ARCHIVE)
    before = dict(service.code_store.objects)

    with pytest.raises(ProjectTransitionRefused):
        submit(service, files=(NewFile("in", NewBlob.of(b"x")),))

    assert service.code_store.objects == before


def test_a_batch_that_does_not_fit_a_quota_is_refused_whole(service):
    caller = a_caller(quota=Quota(waiting=3))
    service.create_tenant(a_caller(), caller.tenant.name.value, caller.tenant.quota)

    submit(service, 2, caller=caller)
    with pytest.raises(QuotaExceeded) as refused:
        submit(service, 2, caller=caller)

    assert (refused.value.quota, refused.value.used, refused.value.allowed) == ("waiting", 2, 3)
    assert len(service.database.tables.jobs) == 2
    assert len(service.code_store.objects) == 2


def test_a_suspended_tenant_submits_no_batch(service):
    with pytest.raises(TenantTransitionRefused):
        submit(service, caller=a_caller(status=TenantStatus.SUSPENDED))


def test_each_project_of_a_batch_has_its_use_in_the_audit_log(service):
    commands = [a_command(project=name, code=code) for name, code in (("a", "1"), ("b", "22"), ("a", "333"))]

    batch = service.submit_batch(ANONYMOUS, commands)

    recorded = entries(service, Act.BATCH_SUBMIT)
    assert {entry.subject for entry in recorded} == {str(batch.batch.id)}
    assert sorted((entry.usage.uploads, entry.usage.stored_bytes) for entry in recorded) == [(1, 2), (2, 4)]
    assert len({entry.project for entry in recorded}) == 2
    assert batch.batch.project_id is None


def test_code_that_cannot_be_stored_leaves_no_jobs(service, monkeypatch):
    def refuse(_objects, _content_type):
        raise DependencyUnavailable("object store", "it is full")

    monkeypatch.setattr(service.code_store, "put_all", refuse)

    with pytest.raises(DependencyUnavailable):
        submit(service)

    assert service.database.tables.jobs == {}


def test_the_end_of_the_last_job_completes_its_batch_once(service):
    batch = submit(service, 2)
    service.run_execution()
    relay(service)
    assert "BatchCompleted" not in service.announced()

    service.run_execution()
    relay(service)
    service.relay_outbox([m for m in service.relay.offered if m.name == "JobCompleted"])  # published twice

    assert service.announced().count("BatchCompleted") == 1
    assert service.batch_reader.get(ANONYMOUS, batch.batch.id).batch.completed_at is not None


def test_an_end_of_which_no_message_was_heard_is_found_by_the_sweep(service):
    submit(service, 1)
    service.run_execution()

    assert service.complete_batches.sweep() == 1
    assert service.complete_batches.sweep() == 0

    assert service.announced()[-1] == "BatchCompleted"


def test_cancelling_ends_all_jobs_that_go_on(service):
    batch = service.submit_batch(ANONYMOUS, [a_command(), a_command(), a_command(execute=False)])
    service.run_execution()

    cancelled = service.cancel_batch(ANONYMOUS, batch.batch.id)

    assert cancelled.by_status == {JobStatus.SUCCESS: 1, JobStatus.CANCELLED: 2}
    assert cancelled.batch.cancelled_at is not None
    assert service.run_execution() is False
    assert service.announced().count("JobCancelled") == 2
    assert [entry.subject for entry in entries(service, Act.BATCH_CANCEL)] == [str(batch.batch.id)]


def test_a_batch_that_has_ended_stays_as_it_is_when_it_is_cancelled(service):
    batch = submit(service, 1)
    service.run_execution()

    cancelled = service.cancel_batch(ANONYMOUS, batch.batch.id)

    assert cancelled.by_status == {JobStatus.SUCCESS: 1}
    assert cancelled.batch.cancelled_at is None


def test_a_job_that_an_engine_has_taken_over_is_cancelled_too(service):
    batch = submit(service, 1)
    service.engine.program = take_over
    service.run_execution()

    assert service.cancel_batch(ANONYMOUS, batch.batch.id).by_status == {JobStatus.CANCELLED: 1}


def test_a_cancellation_that_a_killed_process_left_is_gone_on_with(service):
    batch = submit(service, 3).batch
    service.unit_of_work.run(lambda t: t.batches.mark_cancelled(batch.id, service.clock.now()))

    assert service.complete_batches.sweep() == 1

    seen = service.batch_reader.get(ANONYMOUS, batch.id)
    assert seen.by_status == {JobStatus.CANCELLED: 3}
    assert seen.batch.completed_at is not None


def test_a_batch_of_another_tenant_is_not_found(service):
    batch = submit(service).batch

    for act in (service.batch_reader.get, service.cancel_batch):
        with pytest.raises(NotFound, match="batch"):
            act(a_caller(), batch.id)
        with pytest.raises(NotFound, match="batch"):
            act(ANONYMOUS, BatchId(uuid4()))
    assert service.batch_reader.page(a_caller()).batches == []


def test_a_batch_of_a_purged_project_is_not_found(service):
    batch = submit(service)
    for job_id in batch.jobs:
        service.cancel_job(ANONYMOUS, job_id)
    service.change_project(ANONYMOUS, "demo", ProjectTrigger.PURGE)

    with pytest.raises(NotFound, match="batch"):
        service.batch_reader.get(ANONYMOUS, batch.batch.id)
    assert service.batch_reader.page(ANONYMOUS).batches == []
    assert service.batch_reader.page(ANONYMOUS, with_jobs=False).batches == []


def test_pages_have_numbers_alone_where_the_jobs_are_not_asked_for(service):
    batches = [submit(service, number) for number in (1, 2, 3)]

    page = service.batch_reader.page(ANONYMOUS, 2, with_jobs=False)
    rest = service.batch_reader.page(ANONYMOUS, 2, page.next)

    assert [view.by_status for view in page.batches] == [{JobStatus.RUNNING: 3}, {JobStatus.RUNNING: 2}]
    assert [view.jobs for view in page.batches] == [None, None]
    assert [view.batch.id for view in rest.batches] == [batches[0].batch.id]
    assert rest.next is None


def test_a_key_of_one_project_submits_no_jobs_of_another(service):
    project = service.upload().project_id
    caller = replace(ANONYMOUS, project=project)

    with pytest.raises(NotFound):
        service.submit_batch(caller, [a_command(), a_command(project="other")])
    assert submit(service, caller=caller).batch.project_id == project
