import pytest

from application.errors import CommitOutcomeUnknown, DependencyUnavailable, NotFound, Unprocessable
from domain.errors import InvalidValue, ProjectTransitionRefused, TooLarge
from domain.job_lifecycle import JobStatus
from domain.project import ProjectTrigger
from domain.values import ObjectKey
from tests.support.failing import Failing


def nothing_is_stored(world) -> bool:
    tables = world.database.tables
    return not (tables.jobs or tables.projects or tables.outbox or world.code_store.objects)


def test_an_upload_keeps_the_code_under_its_project_and_job(world):
    job = world.upload(code="print('hi')", project="수업", language="python")

    assert job.status is JobStatus.PENDING
    assert job.code_key == f"수업/{job.job_id}.py"
    assert world.code_store.get(ObjectKey(job.code_key), 100) == b"print('hi')"
    assert world.announced() == ["JobSubmitted"]


def test_an_upload_that_executes_starts_the_job_in_the_same_commit(world):
    job = world.upload(execute=True)

    assert job.status is JobStatus.RUNNING
    assert world.announced() == ["JobSubmitted", "JobStarted"]


def test_the_same_project_name_is_one_project_however_it_is_composed(world):
    composed, decomposed = "caf\u00e9", "cafe\u0301"

    world.upload(project=composed)
    world.upload(project=f"  {decomposed} ")

    assert [project.name.value for project in world.list_projects()] == [composed]


def test_a_project_is_also_named_by_its_id(world):
    project = world.create_project("demo", None)

    job = world.upload(project=str(project.id))

    assert job.project == "demo"
    assert job.code_key.startswith("demo/")


@pytest.mark.parametrize(
    ("changed", "error", "field"),
    [
        ({"language": "cobol"}, InvalidValue, "language"),
        ({"project": ""}, InvalidValue, "project"),
        ({"project": "../etc"}, InvalidValue, "project"),
        ({"code": "a\0b"}, InvalidValue, "code"),
        ({"code": "\ud800"}, InvalidValue, "code"),
        ({"code": "x" * 1_001}, TooLarge, "code"),
        ({"stdin": "x" * 101}, TooLarge, "stdin"),
        ({"limits": {"memory_mb": 1}}, InvalidValue, "memory_mb"),
        ({"limits": {"memory": 64}}, InvalidValue, "memory"),
        ({"priority": 10}, InvalidValue, "priority"),
        ({"tags": {"bad name": "x"}}, InvalidValue, "tags"),
        ({"env": {"1A": "x"}}, InvalidValue, "env"),
    ],
)
def test_bad_input_names_its_field_and_stores_nothing(world, changed, error, field):
    with pytest.raises(error) as caught:
        world.upload(**changed)

    assert caught.value.field == field
    assert nothing_is_stored(world)


def test_a_language_that_is_not_installed_is_refused_with_the_reason(world):
    world.engine.unavailable["java"] = "install default-jdk-headless"

    with pytest.raises(Unprocessable, match="install default-jdk-headless"):
        world.upload(language="java")

    assert nothing_is_stored(world)


def test_an_unknown_project_id_is_not_found_and_stores_nothing(world):
    with pytest.raises(NotFound, match="project '7'"):
        world.upload(project="7")

    assert nothing_is_stored(world)


def test_an_archived_project_takes_no_upload_and_its_code_is_not_kept(world):
    world.create_project("demo", None)
    world.change_project("demo", ProjectTrigger.ARCHIVE)

    with pytest.raises(ProjectTransitionRefused, match="takes no new work"):
        world.upload(project="demo")

    assert not world.code_store.objects
    assert not world.database.tables.jobs


def test_a_store_that_is_full_leaves_no_job(world):
    world.code_store.put = Failing(DependencyUnavailable("object store", "the disk is full")).put

    with pytest.raises(DependencyUnavailable):
        world.upload()

    assert nothing_is_stored(world)


def test_a_database_that_is_away_leaves_no_code_behind(world):
    world.unit_of_work.run = Failing(DependencyUnavailable("database", "down")).run

    with pytest.raises(DependencyUnavailable):
        world.upload()

    assert not world.code_store.objects


def test_the_code_stays_when_its_job_may_be_there(world):
    world.unit_of_work.run = Failing(CommitOutcomeUnknown("database", "gone")).run

    with pytest.raises(CommitOutcomeUnknown):
        world.upload()

    assert world.code_store.objects
