import pytest

from application.errors import CommitOutcomeUnknown, DependencyUnavailable, NotFound, Unprocessable
from application.new_files import NewBlob, NewFile
from domain.errors import InvalidValue, ProjectTransitionRefused, TooLarge
from domain.job_lifecycle import JobStatus
from domain.project import ProjectTrigger
from domain.values import ObjectKey
from tests.support.callers import ANONYMOUS
from tests.support.failing import Failing


def nothing_is_stored(service) -> bool:
    tables = service.database.tables
    return not (tables.jobs or tables.projects or tables.outbox or service.code_store.objects)


def test_an_upload_keeps_the_code_under_its_project_and_job(service):
    job = service.upload(code="print('hi')", project="수업", language="python")

    assert job.status is JobStatus.PENDING
    assert job.code_key == f"수업/{job.job_id}.py"
    assert service.code_store.get(ObjectKey(job.code_key), 100) == b"print('hi')"
    assert service.announced() == ["JobSubmitted"]


def test_an_upload_that_executes_starts_the_job_in_the_same_commit(service):
    job = service.upload(execute=True)

    assert job.status is JobStatus.RUNNING
    assert service.announced() == ["JobSubmitted", "JobStarted"]


def test_the_same_project_name_is_one_project_however_it_is_composed(service):
    composed, decomposed = "caf\u00e9", "cafe\u0301"

    service.upload(project=composed)
    service.upload(project=f"  {decomposed} ")

    assert [project.name.value for project in service.project_reader.all(ANONYMOUS)] == [composed]


def test_a_project_is_also_named_by_its_id(service):
    project = service.create_project(ANONYMOUS, "demo", None)

    job = service.upload(project=str(project.id))

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
def test_bad_input_names_its_field_and_stores_nothing(service, changed, error, field):
    with pytest.raises(error) as caught:
        service.upload(**changed)

    assert caught.value.field == field
    assert nothing_is_stored(service)


def test_a_language_that_is_not_installed_is_refused_with_the_reason(service):
    service.engine.unavailable["java"] = "install default-jdk-headless"

    with pytest.raises(Unprocessable, match="install default-jdk-headless"):
        service.upload(language="java")

    assert nothing_is_stored(service)


def test_an_unknown_project_id_is_not_found_and_stores_nothing(service):
    with pytest.raises(NotFound, match="project '7'"):
        service.upload(project="7")

    assert nothing_is_stored(service)


@pytest.mark.parametrize("files", [(), (NewFile("data", NewBlob.of(b"x")),)])
def test_an_archived_project_takes_no_upload_and_its_code_is_not_kept(service, files):
    service.create_project(ANONYMOUS, "demo", None)
    service.change_project(ANONYMOUS, "demo", ProjectTrigger.ARCHIVE)

    with pytest.raises(ProjectTransitionRefused, match="takes no new work"):
        service.upload(project="demo", files=files)

    assert not service.code_store.objects
    assert not service.database.tables.jobs


def test_a_store_that_is_full_leaves_no_job(service):
    service.code_store.put = Failing(DependencyUnavailable("object store", "the disk is full")).put

    with pytest.raises(DependencyUnavailable):
        service.upload()

    assert nothing_is_stored(service)


def test_a_database_that_is_away_leaves_no_code_behind(service):
    service.unit_of_work.run = Failing(DependencyUnavailable("database", "down")).run

    with pytest.raises(DependencyUnavailable):
        service.upload()

    assert not service.code_store.objects


def test_the_code_stays_when_its_job_may_be_there(service):
    service.unit_of_work.run = Failing(CommitOutcomeUnknown("database", "gone")).run

    with pytest.raises(CommitOutcomeUnknown):
        service.upload()

    assert service.code_store.objects
