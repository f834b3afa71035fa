"""The commands `cancel`, `rerun` and `delete` for many jobs, with their question."""

import pytest

from tests.support.service import environment, run, served
from tests.support.terminal import on_terminal


@pytest.fixture
def where(env, server):
    return {**env, "SERVICE_SERVER_SERVER_URL": server.url, "LANG": "C.UTF-8"}


@pytest.fixture
def waiting(server):
    """Jobs that wait to be executed, with a tag of their own."""

    def upload(tag):
        return [server.upload("print(1)", tags={"many": tag})["job_id"] for _ in range(3)]

    return upload


def statuses(server, job_ids):
    return {server.job(job_id)["status"] for job_id in job_ids}


def test_jobs_that_match_are_cancelled_after_a_question(where, server, waiting):
    job_ids = waiting("asked")
    with on_terminal("cancel", "--tag", "many=asked", env=where) as terminal:
        terminal.read_until("Cancel 3 jobs? [y/N]: ")
        assert statuses(server, job_ids) == {"PENDING"}
        terminal.type("y\n")
        shown = terminal.read_all()
    assert terminal.process.returncode == 0
    assert all(f"cancelled {job_id}" in shown for job_id in job_ids)
    assert statuses(server, job_ids) == {"CANCELLED"}


def test_a_no_changes_nothing(where, server, waiting):
    job_ids = waiting("spared")
    with on_terminal("cancel", *job_ids, env=where) as terminal:
        terminal.read_until("Cancel 3 jobs? [y/N]: ")
        terminal.type("\n")
        assert "nothing was changed" in terminal.read_all()
    assert terminal.process.returncode == 1
    assert statuses(server, job_ids) == {"PENDING"}


def test_the_service_is_asked_for_as_many_jobs_at_once_as_it_takes(tmp_path):
    with served(environment(tmp_path, SERVICE_SERVER_MAX_JOB_ACTIONS=2)) as server:
        job_ids = [server.upload("print(1)")["job_id"] for _ in range(5)]
        where = environment(tmp_path, SERVICE_SERVER_SERVER_URL=server.url)

        cancelled = run("cancel", *job_ids, "--yes", env=where)
        refused = run("tag", *job_ids, "--set", "name=" + "x" * 2_000, "--yes", env=where)

        assert (cancelled.returncode, cancelled.stdout.count(b"cancelled ")) == (0, 5)
        assert statuses(server, job_ids) == {"CANCELLED"}
        assert refused.returncode == 1
        assert b"x" * 2_000 not in refused.stdout
