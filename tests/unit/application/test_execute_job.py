from uuid import UUID

import pytest

from application.errors import NotFound
from domain.errors import JobTransitionRefused, ProjectTransitionRefused, TooLarge
from domain.job_lifecycle import JobStatus
from domain.project import ProjectTrigger
from domain.values import JobId
from tests.support.callers import ANONYMOUS


def test_a_pending_job_runs_and_is_announced(service):
    job = service.upload()

    started = service.execute_job(ANONYMOUS, job.job_id)

    assert started.status is JobStatus.RUNNING
    assert service.announced() == ["JobSubmitted", "JobStarted"]


def test_the_stdin_of_an_execution_replaces_that_of_the_job(service):
    job = service.upload(stdin="from the job")

    service.execute_job(ANONYMOUS, job.job_id, "from the execution")
    service.run_execution()

    assert service.engine.requests[0].stdin == "from the execution"


def test_an_empty_stdin_of_an_execution_counts_too(service):
    job = service.upload(stdin="from the job")

    service.execute_job(ANONYMOUS, job.job_id, "")
    service.run_execution()

    assert service.engine.requests[0].stdin == ""


def test_a_running_job_is_refused(service):
    job = service.start()

    with pytest.raises(JobTransitionRefused, match="cannot execute a job that is RUNNING"):
        service.execute_job(ANONYMOUS, job.job_id)


def test_an_unknown_job_is_not_found(service):
    with pytest.raises(NotFound):
        service.execute_job(ANONYMOUS, JobId(UUID(int=7)))


def test_a_job_of_an_archived_project_is_refused(service):
    job = service.upload(project="demo")
    service.change_project(ANONYMOUS, "demo", ProjectTrigger.ARCHIVE)

    with pytest.raises(ProjectTransitionRefused):
        service.execute_job(ANONYMOUS, job.job_id)


def test_a_stdin_over_the_limit_leaves_the_job_pending(service):
    job = service.upload()

    with pytest.raises(TooLarge):
        service.execute_job(ANONYMOUS, job.job_id, "x" * 101)

    assert service.job_reader.status(ANONYMOUS, job.job_id).status is JobStatus.PENDING
