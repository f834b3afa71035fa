"""Batches of real programs, by the command line."""

import json

import pytest

from tests.support import service


@pytest.fixture
def where(env, server):
    return {**env, "SERVICE_SERVER_SERVER_URL": server.url}


@pytest.fixture
def alone(tmp_path_factory):
    """A data directory that no server uses."""
    return service.environment(tmp_path_factory.mktemp("alone"))


def output(*arguments, env, code=0):
    ran = service.run(*arguments, env=env)
    assert ran.returncode == code, ran.stderr
    return ran.stdout


def test_a_directory_of_programs_is_a_batch(where, tmp_path):
    for number in range(12):
        (tmp_path / f"{number:02}.py").write_text(f"print({number})")
    (tmp_path / "notes.txt").write_text("no program")

    batch = json.loads(output("batch", "submit", str(tmp_path), "--wait", "--json", env=where))

    assert batch["by_status"]["SUCCESS"] == batch["total"] == 12
    with_output = json.loads(output("status", batch["jobs"][7], "--json", env=where))
    assert with_output["project"] == "batch"
    assert output("logs", batch["jobs"][7], env=where) == b"7\n"
    listed = json.loads(output("batch", "list", "--json", env=where))
    assert batch["batch_id"] in [each["batch_id"] for each in listed]


def test_a_batch_that_is_waited_for_runs_without_a_server(alone, tmp_path):
    for number in range(12):
        (tmp_path / f"{number:02}.py").write_text(f"print({number})")

    batch = json.loads(output("batch", "submit", str(tmp_path), "--wait", "--json", env=alone))

    assert batch["by_status"]["SUCCESS"] == batch["total"] == 12


def test_a_job_that_no_process_runs_is_explained(alone, tmp_path):
    (tmp_path / "one.py").write_text("print(1)")

    submitted = service.run("batch", "submit", str(tmp_path), "--json", env=alone)

    assert b"`service-server serve`" in submitted.stderr
    job_id = json.loads(submitted.stdout)["jobs"][0]
    assert json.loads(output("status", job_id, "--json", env=alone))["phase"] == "waiting"


def test_a_file_of_jobs_ends_with_1_where_one_failed(where, tmp_path):
    jobs = [{"project": "p", "language": "python", "code": code} for code in ("print(1)", "1/0")]
    texts = {"jobs.json": json.dumps({"jobs": jobs}), "jobs.jsonl": "\n".join(map(json.dumps, jobs))}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        shown = output("batch", "submit", str(tmp_path / name), "--wait", env=where, code=1).decode()
        assert "FAILED 1" in shown


def test_a_fault_is_told_with_its_place(where, tmp_path):
    (tmp_path / "jobs.jsonl").write_text('{"project": "p", "language": "cobol", "code": ""}')

    ran = service.run("batch", "submit", str(tmp_path / "jobs.jsonl"), env=where)

    assert ran.returncode == 2
    assert b"1 of the jobs cannot be accepted, and so none is; job 0: unsupported language" in ran.stderr


def test_a_batch_is_cancelled_and_a_job_is_run_again(where, tmp_path):
    job = {"project": "p", "language": "python", "code": "print(input())", "stdin": "one", "execute": False}
    (tmp_path / "jobs.jsonl").write_text(json.dumps(job))
    batch = json.loads(output("batch", "submit", str(tmp_path / "jobs.jsonl"), "--json", env=where))
    cancelled = json.loads(output("batch", "cancel", batch["batch_id"], "--json", env=where))
    assert cancelled["by_status"]["CANCELLED"] == 1
    assert b"CANCELLED 1" in output("batch", "status", batch["batch_id"], env=where)

    (tmp_path / "in").write_text("two")
    stdin = str(tmp_path / "in")
    again = json.loads(output("rerun", batch["jobs"][0], "--stdin", f"@{stdin}", "--json", env=where))

    json.loads(output("status", again["job_id"], "--wait", "20", "--json", env=where))
    assert output("logs", again["job_id"], env=where) == b"two\n"
    piped = service.run("rerun", batch["jobs"][0], "--stdin", "-", "--json", env=where, stdin=b"three")
    assert piped.returncode == 0, piped.stderr
    job_id = json.loads(piped.stdout)["job_id"]
    output("status", job_id, "--wait", "20", env=where)
    assert output("logs", job_id, env=where) == b"three\n"
