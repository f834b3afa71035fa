"""The commands `cancel`, `rerun` and `delete` for many jobs, with their question."""

import json

import pytest

from tests.support import service
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


def test_without_a_terminal_yes_is_needed(where, server, waiting):
    job_ids = waiting("piped")
    refused = service.run("cancel", "--tag", "many=piped", env=where)
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert refused.stderr == b"service-server: Cancel 3 jobs? There is no terminal to ask on; use --yes\n"
    assert statuses(server, job_ids) == {"PENDING"}

    ran = service.run("cancel", "--tag", "many=piped", "--yes", "--json", env=where)
    assert {job["job_id"] for job in json.loads(ran.stdout)} == set(job_ids)
    assert statuses(server, job_ids) == {"CANCELLED"}


def test_a_refusal_does_not_keep_the_other_jobs_from_it(where, waiting):
    first, ended, last = waiting("mixed")
    assert service.run("cancel", ended, env=where).returncode == 0

    ran = service.run("cancel", "--yes", first, ended, last, env=where)

    assert ran.returncode == 1
    assert ran.stdout.decode().split() == ["cancelled", first, "cancelled", last]
    assert ran.stderr.decode().startswith(f"service-server: {ended}: cannot cancel a job")


def test_ended_jobs_are_run_again_and_deleted(where, server, waiting):
    job_ids = waiting("again")
    service.run("cancel", "--yes", *job_ids, env=where)

    again = service.run("rerun", "--yes", "--tag", "many=again", "--status", "cancelled", env=where)
    assert again.returncode == 0
    assert {line.split()[3] for line in again.stdout.decode().splitlines()} == set(job_ids)

    deleted = service.run("delete", "--yes", *job_ids, env=where)
    assert (deleted.returncode, deleted.stderr) == (0, b"")
    assert [line.split()[1] for line in deleted.stdout.decode().splitlines()] == job_ids
    with server.http as http:
        assert {http.get(f"/api/jobs/{job_id}").status_code for job_id in job_ids} == {404}


@pytest.mark.parametrize("arguments", [[], ["--tag", "a=b", "01890a5d-ac96-774b-bcce-b302099a8057"]])
def test_jobs_are_named_or_selected(where, arguments):
    refused = service.run("cancel", *arguments, env=where)
    assert refused.returncode == 2
    assert refused.stderr.startswith(b"service-server: name jobs, or choose them by filters")


def test_filters_that_no_job_matches_change_nothing(where):
    ran = service.run("delete", "--search", "no such text", env=where)
    assert (ran.returncode, ran.stdout) == (0, b"")
    assert ran.stderr == b"service-server: no jobs match these filters\n"
