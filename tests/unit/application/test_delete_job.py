import pytest

from application.errors import Conflict, DependencyUnavailable, NotFound, StorageUnavailable
from application.lists import JobFilter
from application.ports.purge_repository import Purge
from domain.job_lifecycle import JobStatus
from domain.project import ProjectStatus, ProjectTrigger
from tests.support.callers import ANONYMOUS, a_caller
from tests.support.scripted_engine import cancelled_report

ACME = a_caller("acme")


def run(service, **changed):
    """Run a program to its end."""
    job = service.start(**changed)
    assert service.run_execution()
    return service.job(job.job_id)


def is_gone(service, job_id, caller=ANONYMOUS):
    with pytest.raises(NotFound):
        service.job_reader.get(caller, job_id)
    return True


def test_a_deleted_job_is_gone_at_once_and_its_objects_soon(service):
    job = run(service)

    service.delete_job(ANONYMOUS, job.job_id)

    assert is_gone(service, job.job_id)
    assert service.code_store.objects
    assert service.log_store.objects
    service.remove_deleted()
    assert not service.code_store.objects
    assert not service.log_store.objects
    with pytest.raises(NotFound):
        service.delete_job(ANONYMOUS, job.job_id)


def stored_bytes(service):
    """Add up the stored bytes of all audit entries."""
    entries = service.unit_of_work.read(lambda transaction: transaction.audit.waiting(1_000))
    return sum(entry.usage.stored_bytes for entry in entries)


def test_a_deleted_job_gives_its_tenant_the_stored_bytes_back(service):
    kept, deleted = run(service), run(service, code="print('more')")
    before = stored_bytes(service)

    service.delete_job(ANONYMOUS, deleted.job_id)

    left = (
        service.code_store.objects[kept.code_key],
        service.log_store.objects[kept.execution.result.log_key.value],
    )
    assert before > stored_bytes(service) == sum(map(len, left))


def test_a_purged_project_gives_its_tenant_the_stored_bytes_back(service):
    for _ in range(3):
        run(service)
    assert stored_bytes(service) > 0

    service.change_project(ANONYMOUS, "demo", ProjectTrigger.PURGE)
    service.remove_deleted()

    assert stored_bytes(service) == 0


@pytest.mark.parametrize("execute", [False, True])
def test_a_job_that_has_not_ended_is_cancelled_first(service, execute):
    job = service.upload(execute=execute)

    with pytest.raises(Conflict, match="cancel it first"):
        service.delete_job(ANONYMOUS, job.job_id)

    service.cancel_job(ANONYMOUS, job.job_id)
    service.delete_job(ANONYMOUS, job.job_id)
    assert is_gone(service, job.job_id)


def test_a_job_of_another_tenant_is_not_there_to_be_deleted(service):
    job = run(service)

    with pytest.raises(NotFound):
        service.delete_job(ACME, job.job_id)

    assert service.job(job.job_id).status is JobStatus.SUCCESS


def test_an_object_store_that_is_away_only_delays_the_objects(service, monkeypatch):
    job = run(service)
    service.delete_job(ANONYMOUS, job.job_id)

    def is_away(_key):
        raise StorageUnavailable("it is away")

    with monkeypatch.context() as patch:
        patch.setattr(service.log_store, "delete", is_away)
        with pytest.raises(DependencyUnavailable):
            service.remove_deleted()
    assert service.log_store.objects

    service.clock.advance(61)
    service.remove_deleted()
    assert not service.log_store.objects
    assert not service.code_store.objects


def test_the_result_of_a_program_whose_job_was_deleted_meanwhile_leaves_nothing(service):
    job = service.start()

    def end_after_the_deletion(request, observer):
        observer.started()
        service.cancel_job(ANONYMOUS, job.job_id)
        service.delete_job(ANONYMOUS, job.job_id)
        service.stop_execution(request.execution_id, job.job_id)
        return cancelled_report()

    service.engine.program = end_after_the_deletion
    assert service.run_execution()

    assert service.engine.cancelled
    service.remove_deleted()
    assert not service.log_store.objects
    assert not service.code_store.objects


def test_a_result_that_waits_for_the_log_store_goes_when_its_job_is_deleted(service, monkeypatch):
    job = service.start()

    def is_away(*_arguments):
        raise StorageUnavailable("it is away")

    with monkeypatch.context() as patch:
        patch.setattr(service.log_store, "put", is_away)
        assert service.run_execution()
    service.cancel_job(ANONYMOUS, job.job_id)
    service.delete_job(ANONYMOUS, job.job_id)

    service.store_kept_results()

    assert service.spool.names() == []
    assert not service.log_store.objects


def test_a_purged_project_is_gone_at_once_and_removed_soon(service):
    jobs = [run(service, project="demo") for _ in range(3)]
    waiting = service.upload(project="demo")
    other = run(service, project="other")

    purged = service.change_project(ANONYMOUS, "demo", ProjectTrigger.PURGE)

    assert purged.status is ProjectStatus.PURGED
    assert all(is_gone(service, job.job_id) for job in [*jobs, waiting])
    page = service.job_reader.page(ANONYMOUS, JobFilter(limit=10))
    assert [job.job_id for job in page.jobs] == [other.job_id]
    assert service.remove_deleted() == 4
    tables = service.database.tables
    assert [project.name.value for project in tables.projects.values()] == ["other"]
    assert list(tables.jobs) == [other.job_id]
    assert not tables.purges
    assert not tables.deletions
    assert len(service.code_store.objects) == len(service.log_store.objects) == 1


def test_a_project_with_a_running_job_is_not_purged(service):
    job = service.start(project="demo")

    with pytest.raises(Conflict, match="cancel them first"):
        service.change_project(ANONYMOUS, "demo", ProjectTrigger.PURGE)

    service.cancel_job(ANONYMOUS, job.job_id)
    service.change_project(ANONYMOUS, "demo", ProjectTrigger.PURGE)
    assert service.create_project(ANONYMOUS, "demo", None).status is ProjectStatus.ACTIVE


def test_a_deleted_project_is_purged_by_its_id_and_once(service):
    job = run(service, project="demo")
    project = service.change_project(ANONYMOUS, "demo", ProjectTrigger.DELETE)
    service.job_reader.get(ANONYMOUS, job.job_id)
    with pytest.raises(NotFound):
        service.change_project(ANONYMOUS, "demo", ProjectTrigger.PURGE)

    service.change_project(ANONYMOUS, str(project.id), ProjectTrigger.PURGE)

    assert is_gone(service, job.job_id)
    with pytest.raises(NotFound):
        service.change_project(ANONYMOUS, str(project.id), ProjectTrigger.PURGE)


def test_a_round_that_is_cut_off_leaves_its_rest_to_another_process(service):
    for _ in range(5):
        run(service, project="demo")
    service.change_project(ANONYMOUS, "demo", ProjectTrigger.PURGE)
    purge = service.unit_of_work.run(lambda transaction: transaction.purges.take("killed", 60))
    service.unit_of_work.run(lambda transaction: transaction.purges.remove_jobs(purge, 2))

    assert service.remove_deleted() == 0
    service.clock.advance(61)
    assert service.remove_deleted() == 3

    assert not service.database.tables.jobs
    assert not service.code_store.objects
    assert not service.log_store.objects


def test_the_running_jobs_of_a_deleted_tenant_are_cancelled_and_all_of_it_is_removed(service):
    ours = service.start()
    claimed = service.claim()
    tenant = ANONYMOUS.tenant.name
    service.unit_of_work.run(
        lambda transaction: transaction.purges.add(
            Purge(id=service.ids.new(), tenant=tenant, requested_at=service.clock.now(), requested_by="admin")
        )
    )

    service.remove_deleted()

    service.clock.advance(61)
    service.remove_deleted()
    assert "JobCancelled" in service.announced()
    assert is_gone(service, ours.job_id)
    assert not service.database.tables.projects
    assert not service.code_store.objects
    service.stop_execution(claimed.id, ours.job_id)
    assert service.engine.cancelled == [claimed.id]
