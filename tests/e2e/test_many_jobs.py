"""The commands `cancel`, `rerun` and `delete` for many jobs, with their question."""

import pytest

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
