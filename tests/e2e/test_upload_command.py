"""The commands that upload, execute and describe programs: their options, and projects."""

import json

import pytest

from tests.support import service
from tests.support.terminal import on_terminal

SHOWS = "import os, sys\nprint(os.environ.get('COLOUR'), os.environ.get('SIZE'), sys.stdin.read())"


@pytest.fixture
def where(env, server):
    return {**env, "SERVICE_SERVER_SERVER_URL": server.url, "LANG": "C.UTF-8"}


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "shows.py"
    path.write_text(SHOWS)
    return str(path)


def ran(*arguments, env, code=0):
    found = service.run(*arguments, env=env)
    assert found.returncode == code, found.stderr
    return found.stdout.decode()


def test_a_program_has_its_limits_variables_and_tags(where, program, tmp_path):
    (tmp_path / "variables").write_text("# of the program\nCOLOUR=red\nSIZE=small\n")
    options = ["--env-file", str(tmp_path / "variables"), "--env", "SIZE", "--tag", "team=blue"]

    printed = ran(
        *("run", *options, "--memory", "128MiB", "--cpu", "2", "--stdin", "in", "--json", program),
        env={**where, "SIZE": "large"},
    )

    job = json.loads(printed)
    assert job["data"]["result"]["stdout"] == "red large in\n"
    assert job["data"]["tags"] == {"team": "blue"}
    limits = job["spec"]["limits"]
    assert (limits["memory_mb"], limits["cpu_time_ms"]) == (128, 2000)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--memory", "much", "'much' is not a size"),
        ("--env", "=x", "'=x' is neither NAME=VALUE"),
        ("--env", "NOT_SET_ANYWHERE", "'NOT_SET_ANYWHERE' is neither NAME=VALUE"),
        ("--tag", "blue", "'blue' is not NAME=VALUE"),
    ],
)
def test_a_value_that_is_not_readable_is_named(where, program, option, value, sentence):
    refused = service.run("run", option, value, program, env=where)
    assert refused.returncode == 2
    assert sentence in " ".join(refused.stderr.decode().replace("│", " ").split())


def test_a_detached_run_prints_the_id(where, server, program):
    job_id = ran("run", "--detach", "--stdin", "x", program, env=where).strip()
    assert server.job(job_id, wait_s=60)["status"] == "SUCCESS"


def test_a_program_is_uploaded_and_later_executed(where, server, program):
    job_id = ran("upload", "--stdin", "first", program, env=where).strip()
    assert server.job(job_id)["status"] == "PENDING"
    assert ran("execute", "--stdin", "second", job_id, env=where).strip() == job_id
    assert server.job(job_id, wait_s=60)["data"]["result"]["stdout"] == "None None second\n"


def test_input_is_typed_until_ctrl_d(where, program):
    with on_terminal("run", "--stdin", "-", program, env=where) as terminal:
        terminal.read_until("reading the program's input from the terminal until Ctrl-D")
        terminal.type("typed\n\x04")
        shown = terminal.read_all()
    assert terminal.process.returncode == 0
    assert "None None typed" in shown


def test_a_project_is_created_archived_restored_and_deleted(where):
    assert json.loads(ran("projects", "create", "tidy", "--json", env=where))["project"] == "tidy"
    assert (
        json.loads(ran("projects", "archive", "tidy", "--yes", "--json", env=where))["status"] == "ARCHIVED"
    )
    assert json.loads(ran("projects", "restore", "tidy", "--json", env=where))["status"] == "ACTIVE"
    ran("projects", "delete", "tidy", env=where, code=2)
    assert "tidy" in ran("projects", "list", env=where)
    with on_terminal("projects", "delete", "tidy", "--purge", env=where) as terminal:
        terminal.read_until("Delete project tidy with all of its jobs, their code and logs? [y/N]: ")
        terminal.type("y\n")
        terminal.read_all()
    assert terminal.process.returncode == 0
    assert "tidy" not in ran("projects", env=where)
