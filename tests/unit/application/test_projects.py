import pytest

from application.errors import Conflict, NotFound
from application.lists import JobFilter
from domain.errors import InvalidValue, ProjectTransitionRefused
from domain.project import ProjectStatus, ProjectTrigger
from tests.support.callers import ANONYMOUS


def test_the_same_name_twice_is_one_project(service):
    first = service.create_project(ANONYMOUS, "demo", "what it is for")
    second = service.create_project(ANONYMOUS, "demo", "something else")

    assert first == second
    assert second.description == "what it is for"


@pytest.mark.parametrize("name", ["", " ", "42", "..", "a/b", "a\\b", "a\nb", "x" * 256])
def test_a_name_that_breaks_the_rules_makes_no_project(service, name):
    with pytest.raises(InvalidValue):
        service.create_project(ANONYMOUS, name, None)

    assert service.project_reader.all(ANONYMOUS) == []


def test_an_archived_project_keeps_its_history_and_can_be_restored(service):
    job = service.upload(project="demo")

    service.change_project(ANONYMOUS, "demo", ProjectTrigger.ARCHIVE)
    page = service.job_reader.page(ANONYMOUS, JobFilter(limit=10), "demo")
    assert [listed.job_id for listed in page.jobs] == [job.job_id]

    restored = service.change_project(ANONYMOUS, "demo", ProjectTrigger.RESTORE)
    assert restored.status is ProjectStatus.ACTIVE
    service.execute_job(ANONYMOUS, job.job_id)


def test_a_deleted_project_is_gone_and_its_name_is_free(service):
    job = service.upload(project="demo")
    first = service.project_reader.all(ANONYMOUS)[0]

    service.change_project(ANONYMOUS, str(first.id), ProjectTrigger.DELETE)

    assert service.project_reader.all(ANONYMOUS) == []
    assert service.job_reader.page(ANONYMOUS, JobFilter(limit=10), "demo").jobs == ()
    assert service.job_reader.get(ANONYMOUS, job.job_id).job.id == job.job_id
    with pytest.raises(ProjectTransitionRefused):
        service.execute_job(ANONYMOUS, job.job_id)
    assert service.create_project(ANONYMOUS, "demo", None).id != first.id


def test_a_project_is_not_deleted_while_one_of_its_jobs_runs(service):
    job = service.start(project="demo")

    with pytest.raises(Conflict, match="running jobs"):
        service.change_project(ANONYMOUS, "demo", ProjectTrigger.DELETE)

    service.cancel_job(ANONYMOUS, job.job_id)
    service.change_project(ANONYMOUS, "demo", ProjectTrigger.DELETE)


def test_an_unknown_project_cannot_be_changed(service):
    with pytest.raises(NotFound):
        service.change_project(ANONYMOUS, "nowhere", ProjectTrigger.ARCHIVE)


def test_the_jobs_of_an_unknown_project_are_none(service):
    assert service.job_reader.page(ANONYMOUS, JobFilter(limit=10), "nowhere").jobs == ()
    assert service.job_reader.page(ANONYMOUS, JobFilter(limit=10), "99").jobs == ()
