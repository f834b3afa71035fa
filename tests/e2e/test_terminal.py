"""Commands on a terminal of 80 columns."""

import pytest

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
