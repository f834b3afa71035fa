"""The commands that look: in pipes, where their output is for other programs."""

import json
import signal

import pytest

from tests.support import service

HOSTILE = r"print('\x1b[2J\x1b]0;owned\a' + 'x')"


@pytest.fixture(scope="module")
def job_id(server):
    return server.upload(HOSTILE, execute=True, tags={"who": "tests"})["job_id"]


@pytest.fixture
def where(env, server, job_id):
    assert server.job(job_id, wait_s=60)["status"] == "SUCCESS"
    return {**env, "SERVICE_SERVER_SERVER_URL": server.url}


def output(*arguments, env):
    ran = service.run(*arguments, env=env)
    assert (ran.returncode, ran.stderr) == (0, b"")
    return ran.stdout


def lines(*arguments, env):
    return output(*arguments, env=env).decode().splitlines()


@pytest.mark.parametrize("command", [["jobs", "--project", "tests"], ["projects"], ["logs", "JOB"]])
def test_with_and_without_a_server_commands_say_the_same(where, env, job_id, command):
    command = [job_id if word == "JOB" else word for word in command]
    assert output(*command, env=env) == output(*command, env=where)


def test_characters_that_the_encoding_of_the_output_lacks_are_escaped(where, server):
    with server.http as http:
        project = http.post("/api/project", json={"project_name": "é 한글 🎉"}).raise_for_status().json()
    env = {**where, "PYTHONIOENCODING": "latin-1"}

    assert "é \\ud55c\\uae00 \\U0001f389\t".encode("latin-1") in output("projects", env=env)
    assert project in json.loads(output("projects", "--json", env=env))


def test_jobs_are_lines_with_tabs_in_pipes(where, job_id):
    (job,) = lines("jobs", "--project", "tests", env=where)
    assert job.split("\t")[:4] == [job_id, "SUCCESS", "tests", "python"]
    assert job.split("\t")[-2:] == ["0", ""]
    header, same = lines("jobs", "--project", "tests", "--header", env=where)
    assert header.split("\t")[:4] == ["JOB", "STATUS", "PROJECT", "LANGUAGE"]
    assert same == job
    assert len(header.split("\t")) == len(job.split("\t"))


@pytest.mark.parametrize(
    ("filters", "is_found"),
    [
        (["--since", "1h"], True),
        (["--until", "1h"], False),
        (["--since", "yesterday"], True),
        (["--until", "yesterday"], False),
        (["--tag", "who=tests"], True),
        (["--tag", "who=others"], False),
        (["--search", "WHO:TES"], True),
        (["--search", "nowhere"], False),
    ],
)
def test_jobs_are_found_by_time_tag_and_text(where, job_id, filters, is_found):
    found = [line.split("\t")[0] for line in lines("jobs", *filters, env=where)]
    assert (job_id in found) is is_found


def test_filters_narrow(where, job_id):
    assert json.loads(output("jobs", "--json", "--status", "failed", env=where)) == []
    assert json.loads(output("jobs", "--json", "--phase", "waiting", "--phase", "building", env=where)) == []
    found = json.loads(output("jobs", "--json", "--phase", "ended", "--limit", "1", env=where))
    assert [job["job_id"] for job in found] == [job_id]
    found = json.loads(output("jobs", "--json", "--language", "python", "--limit", "1", env=where))
    assert [job["job_id"] for job in found] == [job_id]


def test_a_status_is_told_field_by_field(where, job_id):
    fields = dict(
        line.split(maxsplit=1) for line in output("status", job_id, env=where).decode().splitlines()
    )
    assert (fields["job_id"], fields["status"], fields["project"]) == (job_id, "SUCCESS", "tests")


def test_a_log_has_what_the_program_wrote(where, job_id):
    assert output("logs", job_id, env=where) == b"\x1b[2J\x1b]0;owned\ax\n"
    assert output("logs", "--follow", job_id, env=where) == b"\x1b[2J\x1b]0;owned\ax\n"


def test_json_is_of_a_whole_log(where, job_id):
    refused = service.run("logs", "--follow", "--json", job_id, env=where)
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"--json and --follow cannot be combined" in refused.stderr


@pytest.fixture
def running(server):
    """A job whose program has begun, and runs until the test is over."""
    code = "import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.1)"
    job_id = server.upload(code, execute=True)["job_id"]
    with server.http as http:
        with http.stream("GET", f"/api/jobs/{job_id}/output") as output:
            assert any("begun" in line for line in output.iter_lines())
        yield job_id
        http.post(f"/api/cancel/{job_id}")


def test_following_what_another_process_runs_says_that_it_is_not_live(env, server, running):
    with service.start("logs", "--follow", running, env=env) as following:
        assert b"--server URL shows it while it runs" in following.stderr.readline()
        with server.http as http:
            http.post(f"/api/cancel/{running}")
        stdout, _said = following.communicate(timeout=90)
    assert stdout == b"begun\n"


def test_an_interrupt_ends_the_following_and_not_the_job(env, server, running):
    with service.start("logs", "--follow", "--server", server.url, running, env=env) as following:
        assert following.stdout.readline() == b"begun\n"
        following.send_signal(signal.SIGINT)
        _stdout, said = following.communicate(timeout=90)
    assert following.returncode == 130
    assert b"the job goes on" in said
    assert server.job(running)["status"] == "RUNNING"


def test_json_acts_on_nothing_either(where, job_id):
    printed = output("logs", "--json", job_id, env=where)
    assert b"\x1b" not in printed
    assert json.loads(printed)["stdout"] == "\x1b[2J\x1b]0;owned\ax\n"


def test_projects_and_languages_are_listed(where):
    assert ["tests", ""] in [
        line.split("\t")[1:] for line in output("projects", env=where).decode().splitlines()
    ]
    languages = json.loads(output("languages", "--json", env=where))
    python = next(language for language in languages if language["name"] == "python")
    assert python["available"]
    assert python["version"].startswith("3.")


def test_cancel_refuses_what_has_ended_in_the_service_s_words(where, job_id):
    refused = service.run("cancel", job_id, env=where)
    assert refused.returncode == 1
    assert refused.stderr == b"service-server: cannot cancel a job that is SUCCESS\n"


def test_cancel_ends_what_waits(where, server):
    waiting = server.upload("print(1)")["job_id"]
    assert output("cancel", waiting, env=where).decode() == f"cancelled {waiting}\n"
    assert server.job(waiting)["status"] == "CANCELLED"


def test_a_job_without_a_log_says_so(where, server):
    waiting = server.upload("print(1)")["job_id"]
    refused = service.run("logs", waiting, env=where)
    assert (refused.returncode, refused.stderr) == (1, b"service-server: the job is PENDING and has no log\n")


@pytest.mark.parametrize("command", ["status", "logs", "cancel"])
@pytest.mark.parametrize("typed", ["../../etc/passwd", "abc", "01890a5d-ac96-774b-bcce-b302099a8057"])
def test_an_id_of_no_job_is_one_sentence_and_no_failure_of_the_service(where, command, typed):
    refused = service.run(command, typed, env=where)
    assert refused.returncode == 1
    assert refused.stderr.count(b"\n") == 1


def test_a_job_is_named_by_the_beginning_of_its_id(where, server):
    found = server.upload("print(1)")["job_id"]
    beginning = found[:23]
    assert json.loads(output("status", beginning, "--json", env=where))["job_id"] == found
    assert output("cancel", beginning, env=where).decode() == f"cancelled {found}\n"
