"""Batches of real programs, by the command line."""

import json
import signal
import sqlite3
import subprocess
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import httpx
import pytest

from tests.e2e.test_clocks import SOURCE
from tests.e2e.test_locked_database import DATABASE
from tests.support import service
from tests.support.files import files_below
from tests.support.no_tls import NO_TLS
from tests.support.processes import eventually


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


def test_a_directory_without_programs_is_no_batch(alone, tmp_path):
    (tmp_path / "notes.txt").write_text("no program")

    refused = service.run("batch", "submit", str(tmp_path), env=alone)

    assert refused.returncode == 2
    assert refused.stderr.decode() == (
        f"service-server: {tmp_path} has no program: no file there has the extension of a language\n"
    )


def test_a_batch_that_is_waited_for_runs_without_a_server(alone, tmp_path):
    for number in range(12):
        (tmp_path / f"{number:02}.py").write_text(f"print({number})")

    batch = json.loads(output("batch", "submit", str(tmp_path), "--wait", "--json", env=alone))

    assert batch["by_status"]["SUCCESS"] == batch["total"] == 12


@pytest.fixture
def sockets():
    """A directory of the command's socket, with a short path."""
    with TemporaryDirectory() as directory:
        yield Path(directory)


@pytest.fixture
def running_batch(alone, tmp_path, sockets):
    """The command of a batch whose program runs; a function that reads its executions; and its sockets."""
    (tmp_path / "one.py").write_text("import time; time.sleep(60)")
    database = f"{alone['SERVICE_SERVER_DATA_DIR']}/{DATABASE}"

    def states():
        with suppress(sqlite3.Error), closing(sqlite3.connect(database)) as connection:  # not made yet
            return [*connection.execute("SELECT state, status FROM executions ORDER BY requested_at")]

    env = {**alone, "TMPDIR": str(sockets)}
    with service.start("batch", "submit", str(tmp_path), "--wait", env=env) as submitted:
        assert eventually(lambda: states() == [("CLAIMED", None)])
        assert [*sockets.iterdir()]
        yield submitted, states, sockets


def test_a_batch_that_is_told_to_stop_leaves_its_programs_to_a_server(running_batch):
    submitted, states, sockets = running_batch

    submitted.terminate()
    submitted.communicate(timeout=service.STOP_TIMEOUT_S)

    assert submitted.returncode == 130
    assert states() == [("ENDED", None), ("WAITING", None)]
    assert [*sockets.iterdir()] == []


def test_a_batch_whose_terminal_is_closed_leaves_its_programs_to_a_server(running_batch):
    # The shell passes the signal on, and the kernel sends it again when the shell has ended
    submitted, states, sockets = running_batch

    def has_ended():
        submitted.send_signal(signal.SIGHUP)
        return submitted.poll() is not None

    assert eventually(has_ended)

    assert states() == [("ENDED", None), ("WAITING", None)]
    assert [*sockets.iterdir()] == []


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


def test_a_line_of_jobs_ends_only_at_a_line_feed(where, tmp_path):
    job = {"project": "p", "language": "python", "code": "print('\u2028\x85')"}
    (tmp_path / "jobs.jsonl").write_text(f"{json.dumps(job, ensure_ascii=False)}\r\n" * 2, newline="")

    shown = output("batch", "submit", str(tmp_path / "jobs.jsonl"), "--wait", env=where).decode()

    assert "SUCCESS 2" in shown


def test_a_fault_is_told_with_its_place(where, tmp_path):
    (tmp_path / "jobs.jsonl").write_text('{"project": "p", "language": "cobol", "code": ""}')

    ran = service.run("batch", "submit", str(tmp_path / "jobs.jsonl"), env=where)

    assert ran.returncode == 2
    assert b"1 of the jobs cannot be accepted, so none of them was; job 0: unsupported language" in ran.stderr


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


def test_the_code_of_a_batch_whose_process_was_killed_before_its_transaction_is_removed(tmp_path):
    # Given a service with a job, and a database that takes no transaction
    env, code = service.environment(tmp_path, SERVICE_SERVER_UNUSED_FILES_KEPT_HOURS="24"), tmp_path / "code"
    bodies = [{"project": "p", "code": f"print({n})", "language": "python"} for n in range(5)]
    with service.served(env) as server, closing(sqlite3.connect(tmp_path / DATABASE)) as other:
        kept = server.upload("print('kept')")
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")

        def stored():
            return [
                file for file in files_below(code) if file.suffix == ".py"
            ]  # of others, a part is written

        def post():
            with suppress(httpx.TransportError):
                httpx.post(f"{server.url}/api/batches", json={"jobs": bodies}, verify=NO_TLS, timeout=120)

        # When the process is killed that has stored the code of a batch, and not its jobs
        upload = Thread(target=post)
        upload.start()
        assert eventually(lambda: len(stored()) == 1 + len(bodies))
        server.process.kill()
        upload.join()
        other.execute("ROLLBACK")
    # Then its code is there while it may be that of an upload, and no job is
    assert service.run("purge", env=env).returncode == 0
    assert len(files_below(code)) == 1 + len(bodies)
    # And it is removed two days later, and the code of a job is not
    library, offset = tmp_path / "settable_clock.so", tmp_path / "offset"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    offset.write_text(str(2 * 86_400))
    later = {"LD_PRELOAD": str(library), "SETTABLE_CLOCK": str(offset)}
    with service.start("purge", env=env | later) as purge:
        said, errors = purge.communicate(timeout=120)
    assert purge.returncode == 0, errors
    assert b"5" in said
    (left,) = files_below(code)
    assert left.name.startswith(kept["job_id"])
    with closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        assert database.execute("SELECT job_id FROM jobs").fetchall() == [(kept["job_id"],)]
