from dataclasses import replace
from uuid import uuid4

import pytest

from application.errors import ConcurrencyConflict, NotFound
from application.lists import Cursor, JobFilter
from application.ports.purge_repository import Purge, Removed, StoreName, purge_of_project
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus
from domain.project import ProjectTrigger
from domain.tenant import DEFAULT_TENANT, TenantName, TenantTrigger
from domain.values import ObjectKey, ProjectName
from tests.contract.persistence.test_idempotency_keys import ANSWER, a_record
from tests.support.callers import ANONYMOUS, a_caller, a_tenant
from tests.support.samples import LATER, NOW, a_job, a_project, a_running_job, a_session, an_api_key, end

IDLE_S = 60


def an_ended_job(store, log="logs/a.json", **spec):
    """Store a job that has ended, with a log."""
    job, execution = a_running_job(store, **spec)
    result = ExecutionResult(status=JobStatus.SUCCESS, exit_code=0, log_key=ObjectKey(log))
    store.run(lambda transaction: transaction.executions.end(execution.id, result, LATER, log_bytes=30))
    return end(store, job, JobStatus.SUCCESS), execution


def purge(store, name="demo"):
    """Purge a project."""
    before = a_project(store, name)
    after = before.apply(ProjectTrigger.PURGE)
    noted = purge_of_project(uuid4(), after, "key:7", NOW)

    def work(transaction):
        transaction.projects.replace(before, after)
        transaction.purges.add(noted)

    store.run(work)
    return noted


def remove(store, noted, limit=100):
    return store.run(lambda transaction: transaction.purges.remove_jobs(noted, limit))


def take(store, worker="worker", idle_s=IDLE_S):
    return store.run(lambda transaction: transaction.purges.take(worker, idle_s))


def finish(store, before=NOW):
    return store.run(lambda transaction: transaction.purges.finish_next(before))


def has_work(store):
    return store.run(lambda transaction: transaction.purges.has_work())


def deletions(store, idle_s=IDLE_S, limit=100):
    return store.run(lambda transaction: transaction.purges.take_deletions(idle_s, limit))


def forget(store, noted):
    digests = [deletion.digest for deletion in noted]
    store.run(lambda transaction: transaction.purges.forget_deletions(digests))


def objects(noted):
    return {(deletion.store, deletion.key.value) for deletion in noted}


def listed(store, caller=ANONYMOUS, **wanted):
    return [job.job_id for job in store.queries.page(caller, JobFilter(limit=100, **wanted)).jobs]


def test_the_answers_about_a_removed_job_are_gone_and_their_keys_are_known(store):
    # Given the answers to requests about two jobs
    removed, _execution = an_ended_job(store)
    kept, _execution = an_ended_job(store, "logs/b.json")
    records = [a_record(str(number), number, str(job.id)) for number, job in enumerate((removed, kept))]
    for record in records:
        store.run(lambda t, record=record: t.idempotency_keys.add(DEFAULT_TENANT, record))
        store.run(lambda t, record=record: t.idempotency_keys.set_answer(DEFAULT_TENANT, record, ANSWER))
    # When one of the jobs is removed
    store.run(lambda transaction: transaction.purges.remove_job(removed))
    # Then its answer is gone
    found = [
        store.unit_of_work.read(
            lambda t, record=record: t.idempotency_keys.get(DEFAULT_TENANT, record.request.key)
        )
        for record in records
    ]
    assert [record.answer for record in found] == [None, ANSWER]


def test_a_removed_job_is_gone_with_its_tags_and_executions_and_its_objects_are_noted(store):
    job, execution = an_ended_job(store, tags={"team": "blue"}, code_key=ObjectKey("demo/a.py"), code_bytes=7)
    kept, _execution = an_ended_job(store, "logs/b.json", tags={"team": "blue"})

    removed = store.run(lambda transaction: transaction.purges.remove_job(job))

    assert removed == Removed([job.id], [execution.id], 37)
    assert store.run(lambda transaction: transaction.jobs.get_of_any_tenant(job.id)) is None
    assert store.run(lambda transaction: transaction.executions.get(execution.id)) is None
    assert store.queries.details(ANONYMOUS, job.id) is None
    assert listed(store) == listed(store, tags={"team": "blue"}) == [kept.id]
    assert objects(deletions(store)) == {(StoreName.CODE, "demo/a.py"), (StoreName.LOG, "logs/a.json")}


def test_a_job_is_removed_once(store):
    job, _execution = an_ended_job(store)
    store.run(lambda transaction: transaction.purges.remove_job(job))

    def again(transaction):
        with pytest.raises(ConcurrencyConflict):
            transaction.purges.remove_job(job)

    store.run(again)


def test_a_purged_project_is_gone_at_once_for_every_caller(store):
    job, _execution = an_ended_job(store)
    kept, _other = an_ended_job(store, "logs/b.json", project="other")
    assert len(listed(store)) == 2

    purge(store)

    assert store.queries.status(ANONYMOUS, job.id) is None
    assert store.queries.details(ANONYMOUS, job.id) is None
    assert store.run(lambda transaction: transaction.jobs.get_with_project(ANONYMOUS, job.id)) is None
    assert listed(store) == [kept.id]
    assert store.run(lambda transaction: transaction.projects.get(ANONYMOUS, ProjectName("demo"))) is None
    assert [project.name.value for project in all_projects(store)] == ["other"]


def all_projects(store):
    return store.run(lambda transaction: transaction.projects.all(ANONYMOUS))


@pytest.mark.parametrize("wanted", [{}, {"tags": {"a": "b"}}, {"tags": {"a": "b"}, "language": "python"}])
def test_a_page_that_passes_over_jobs_of_a_purged_project_has_the_rest_after_it(store, wanted):
    kept = []
    for number in range(12):
        project = "demo" if number % 3 else "other"
        job = a_job(store, project=project, now=NOW.replace(minute=number), tags={"a": "b"})
        kept += [] if project == "demo" else [job.id]
    purge(store)

    found, cursor = [], None
    for _ in range(20):
        page = store.queries.page(ANONYMOUS, JobFilter(limit=3, cursor=cursor, **wanted))
        found += [job.job_id for job in page.jobs]
        is_full = len(page.jobs) == 3
        last = Cursor(page.jobs[-1].created_at, page.jobs[-1].job_id) if is_full else None
        cursor = page.resume_after or last
        if cursor is None:
            break

    assert found == kept[::-1]


def test_a_purge_removes_jobs_in_batches_and_running_ones_not_at_all(store):
    for _ in range(5):
        a_job(store)
    running, _execution = a_running_job(store)
    other = a_job(store, project="other")
    noted = purge(store)
    take(store)

    assert [len(remove(store, noted, 2).jobs) for _ in range(4)] == [2, 2, 1, 0]

    assert store.run(lambda transaction: transaction.purges.running_jobs(noted, 10)) == [running.id]
    assert take(store).removed_jobs == 5
    assert finish(store) is None
    assert store.run(lambda transaction: transaction.jobs.get_of_any_tenant(other.id)) == other


def test_one_process_at_a_time_works_on_a_purge_until_it_is_lost(store):
    a_job(store)
    noted = purge(store)

    assert take(store, "one") == noted
    assert take(store, "one") == noted
    assert take(store, "other") is None
    store.pass_time(IDLE_S + 1)
    assert take(store, "other") == noted
    assert take(store, "one") is None


def test_a_purge_ends_with_its_last_object_and_its_project_goes(store):
    assert not has_work(store)
    an_ended_job(store, code_bytes=8)
    noted = purge(store)
    remove(store, noted)
    assert take(store) is None
    assert finish(store) is None

    assert has_work(store)
    forget(store, deletions(store))

    assert finish(store) == replace(noted, removed_jobs=1, freed_bytes=38)
    assert finish(store) is None
    assert not has_work(store)
    gone = store.run(lambda transaction: transaction.projects.get(ANONYMOUS, noted.project_id))
    assert gone is None
    assert a_project(store).id != noted.project_id


def test_a_job_that_came_while_its_project_was_purged_is_removed_too(store):
    project = a_project(store)
    noted = purge(store)
    remove(store, noted)
    late = replace(a_job(store, project="other"), project_id=project.id, id=uuid4())
    store.run(lambda transaction: transaction.jobs.add(late))

    assert finish(store) is None
    assert take(store).id == noted.id
    assert remove(store, noted).jobs == [late.id]


def test_a_purge_of_a_tenant_removes_its_projects_and_nobody_else_s(store):
    acme = a_caller("acme")
    theirs = store.run(
        lambda transaction: transaction.projects.get_or_add(acme, ProjectName("demo"), None, NOW)
    )
    ours = a_job(store)
    their_job = replace(a_job(store), tenant=TenantName("acme"), project_id=theirs.id, id=uuid4())
    store.run(lambda transaction: transaction.jobs.add(their_job))
    noted = Purge(id=uuid4(), tenant=TenantName("acme"), requested_at=NOW, requested_by="admin")
    store.run(lambda transaction: transaction.purges.add(noted))
    session = a_session()
    store.run(lambda transaction: transaction.keys.add(an_api_key()))
    store.run(lambda transaction: transaction.sessions.add(session))

    assert take(store) == noted
    assert remove(store, noted).jobs == [their_job.id]
    forget(store, deletions(store))

    assert finish(store, NOW) is None
    assert finish(store, LATER).id == noted.id
    assert store.run(lambda transaction: transaction.projects.all(acme)) == []
    assert store.run(lambda transaction: transaction.keys.all(acme)) == []
    assert store.run(lambda transaction: transaction.sessions.find(session.digest)) is None
    assert ours.id in listed(store)
    assert DEFAULT_TENANT in {project.tenant for project in all_projects(store)}


def test_a_log_of_a_purged_project_has_no_owner_any_more(store):
    an_ended_job(store)
    purge(store)

    with pytest.raises(NotFound):
        store.queries.owners_of_log(ObjectKey("logs/a.json"))


def test_a_log_of_a_deleted_tenant_has_no_owner_any_more(store):
    acme = a_tenant("acme")
    store.run(lambda transaction: transaction.tenants.add(acme))
    job, _execution = an_ended_job(store, caller=a_caller("acme"))
    assert [owner.job_id for owner in store.queries.owners_of_log(ObjectKey("logs/a.json"))] == [job.id]

    store.run(lambda transaction: transaction.tenants.replace(acme, acme.apply(TenantTrigger.DELETE)))

    with pytest.raises(NotFound):
        store.queries.owners_of_log(ObjectKey("logs/a.json"))


def test_an_object_is_one_process_s_to_delete_until_it_is_lost(store):
    job, _execution = an_ended_job(store)
    store.run(lambda transaction: transaction.purges.remove_job(job))

    first = deletions(store, limit=1)
    second = deletions(store, limit=10)
    assert len(first) == len(second) == 1
    assert objects(first) | objects(second) == {
        (StoreName.CODE, job.spec.code_key.value),
        (StoreName.LOG, "logs/a.json"),
    }
    assert deletions(store) == []
    store.pass_time(IDLE_S + 1)
    assert objects(deletions(store)) == objects(first) | objects(second)

    forget(store, [*first, *second])
    store.pass_time(IDLE_S + 1)
    assert deletions(store) == []


def test_an_object_that_another_job_names_is_not_to_be_deleted(store):
    job, _execution = an_ended_job(store, "logs/shared.json", code_key=ObjectKey("imported/shared.py"))
    an_ended_job(store, "logs/shared.json", code_key=ObjectKey("imported/shared.py"))

    store.run(lambda transaction: transaction.purges.remove_job(job))

    (noted,) = deletions(store)
    assert (noted.store, noted.key.value, noted.is_shared) == (StoreName.LOG, "logs/shared.json", True)


def test_an_object_is_noted_once(store):
    for _ in range(2):
        store.run(
            lambda transaction: transaction.purges.delete_object(StoreName.LOG, ObjectKey("logs/x.json"))
        )

    (noted,) = deletions(store)
    assert not noted.is_shared
