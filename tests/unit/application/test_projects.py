import pytest

from application.errors import Conflict, NotFound
from application.views import JobFilter
from domain.errors import InvalidValue, ProjectTransitionRefused
from domain.project import ProjectStatus, ProjectTrigger


def test_the_same_name_twice_is_one_project(world):
    first = world.create_project("demo", "what it is for")
    second = world.create_project("demo", "something else")

    assert first == second
    assert second.description == "what it is for"


@pytest.mark.parametrize("name", ["", " ", "42", "..", "a/b", "a\\b", "a\nb", "x" * 256])
def test_a_name_that_breaks_the_rules_makes_no_project(world, name):
    with pytest.raises(InvalidValue):
        world.create_project(name, None)

    assert world.list_projects() == []


def test_an_archived_project_keeps_its_history_and_can_be_restored(world):
    job = world.upload(project="demo")

    world.change_project("demo", ProjectTrigger.ARCHIVE)
    page = world.list_jobs(JobFilter(limit=10), "demo")
    assert [listed.job_id for listed in page.jobs] == [job.job_id]

    restored = world.change_project("demo", ProjectTrigger.RESTORE)
    assert restored.status is ProjectStatus.ACTIVE
    world.execute_job(job.job_id)


def test_a_deleted_project_is_gone_and_its_name_is_free(world):
    job = world.upload(project="demo")
    first = world.list_projects()[0]

    world.change_project(str(first.id), ProjectTrigger.DELETE)

    assert world.list_projects() == []
    assert world.list_jobs(JobFilter(limit=10), "demo").jobs == ()
    assert world.get_job(job.job_id).job.id == job.job_id
    with pytest.raises(ProjectTransitionRefused):
        world.execute_job(job.job_id)
    assert world.create_project("demo", None).id != first.id


def test_a_project_is_not_deleted_while_one_of_its_jobs_runs(world):
    job = world.start(project="demo")

    with pytest.raises(Conflict, match="running jobs"):
        world.change_project("demo", ProjectTrigger.DELETE)

    world.cancel_job(job.job_id)
    world.change_project("demo", ProjectTrigger.DELETE)


def test_an_unknown_project_cannot_be_changed(world):
    with pytest.raises(NotFound):
        world.change_project("nowhere", ProjectTrigger.ARCHIVE)


def test_the_jobs_of_an_unknown_project_are_none(world):
    assert world.list_jobs(JobFilter(limit=10), "nowhere").jobs == ()
    assert world.list_jobs(JobFilter(limit=10), "99").jobs == ()
