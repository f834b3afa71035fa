"""Commands on a terminal of 80 columns."""

import pytest

from tests.support.processes import eventually
from tests.support.scripted_http import Answer, scripted_server
from tests.support.terminal import on_terminal


@pytest.fixture(scope="module")
def job_id(server):
    found = server.upload("raise SystemExit(3)", execute=True)["job_id"]
    assert server.job(found, wait_s=60)["status"] == "FAILED"
    return found


@pytest.fixture
def where(env, server):
    return {**env, "SERVICE_SERVER_SERVER_URL": server.url, "LANG": "C.UTF-8", "TERM": "xterm-256color"}


def test_ids_are_whole_and_states_have_colours(where, job_id):
    with on_terminal("jobs", env=where) as terminal:
        shown = terminal.read_all()
    assert job_id in shown
    assert "\x1b[31mFailed" in shown
    assert all(word in shown for word in ("AGE", "DURATION", "EXIT", "REASON", "nonzero"))


def test_no_color_is_respected(where, job_id):
    with on_terminal("jobs", env={**where, "NO_COLOR": "1"}) as terminal:
        shown = terminal.read_all()
    assert job_id in shown
    assert "\x1b[31m" not in shown


def test_a_watched_list_is_kept_up_to_date_until_an_interrupt(where, server, job_id):
    with on_terminal("jobs", "--watch", env=where) as terminal:
        terminal.read_until(job_id)
        later = server.upload("print(1)")["job_id"]
        terminal.read_until(later)
        terminal.type("\x03")
        shown = terminal.read_all()
    assert terminal.process.returncode == 0
    assert later in shown.rpartition("\x1b[?1049l")[2]


def test_a_watched_list_survives_an_outage(where, server, job_id):
    with server.http as http:
        before = http.get("/api/jobs").raise_for_status().text
    later = job_id[::-1]
    answers = [Answer(body=body.encode()) for body in (before, before.replace(job_id, later))]
    with scripted_server(answers[0], Answer(status=502), answers[1]) as proxy:
        where = {**where, "SERVICE_SERVER_SERVER_URL": proxy.address}
        with on_terminal("jobs", "--watch", env=where) as terminal:
            terminal.read_until(job_id)
            terminal.read_until("answered 502")
            terminal.read_until(later)
            terminal.type("\x03")
            terminal.read_all()
    assert terminal.process.returncode == 0


@pytest.mark.parametrize("has_cases", [False, True])
def test_a_program_is_cancelled_if_its_terminal_is_closed_before_output(where, server, tmp_path, has_cases):
    (tmp_path / "slow.py").write_text("import time; time.sleep(60)")
    (tmp_path / "1.in").write_text("1")
    project = f"closed-{has_cases}"
    arguments = ["--project", project, *(("--cases", str(tmp_path)) if has_cases else ())]

    def jobs():
        with server.http as http:
            return http.get(f"/api/projects/{project}/jobs").raise_for_status().json()

    with on_terminal("run", *arguments, str(tmp_path / "slow.py"), env=where) as terminal:
        assert eventually(lambda: [job for job in jobs() if job["run_started_at"] is not None])
        terminal.close()
    assert [job["status"] for job in jobs()] == ["CANCELLED"]
