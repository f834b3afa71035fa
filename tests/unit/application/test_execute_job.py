from uuid import UUID

import pytest

from application.errors import NotFound
from domain.errors import JobTransitionRefused, ProjectTransitionRefused, TooLarge
from domain.job_lifecycle import JobStatus
from domain.project import ProjectTrigger
from domain.values import JobId


def test_a_pending_job_runs_and_is_announced(world):
    job = world.upload()

    started = world.execute_job(job.job_id)

    assert started.status is JobStatus.RUNNING
    assert world.announced() == ["JobSubmitted", "JobStarted"]


def test_the_stdin_of_an_execution_replaces_that_of_the_job(world):
    job = world.upload(stdin="from the job")

    world.execute_job(job.job_id, "from the execution")
    world.run_execution()

    assert world.engine.requests[0].stdin == "from the execution"


def test_an_empty_stdin_of_an_execution_counts_too(world):
    job = world.upload(stdin="from the job")

    world.execute_job(job.job_id, "")
    world.run_execution()

    assert world.engine.requests[0].stdin == ""


def test_a_running_job_is_refused(world):
    job = world.start()

    with pytest.raises(JobTransitionRefused, match="cannot execute a job that is RUNNING"):
        world.execute_job(job.job_id)


def test_an_unknown_job_is_not_found(world):
    with pytest.raises(NotFound):
        world.execute_job(JobId(UUID(int=7)))


def test_a_job_of_an_archived_project_is_refused(world):
    job = world.upload(project="demo")
    world.change_project("demo", ProjectTrigger.ARCHIVE)

    with pytest.raises(ProjectTransitionRefused):
        world.execute_job(job.job_id)


def test_a_stdin_over_the_limit_leaves_the_job_pending(world):
    job = world.upload()

    with pytest.raises(TooLarge):
        world.execute_job(job.job_id, "x" * 101)

    assert world.get_job_status(job.job_id).status is JobStatus.PENDING
