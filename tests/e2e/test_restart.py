"""A server that is killed at its worst moment, and started again."""

import signal
import time
from pathlib import Path

import pytest

from tests.support import service
from tests.support.processes import eventually

# A lease is short here, so that what a dead server held is soon known to be lost.
SHORT = {
    "SERVICE_SERVER_LEASE_S": 2,
    "SERVICE_SERVER_RENEW_EVERY_S": 0.3,
    "SERVICE_SERVER_RESCUE_EVERY_S": 0.3,
    "SERVICE_SERVER_ANNOUNCE_AFTER_S": 0.3,
}
# It ends at a time.
PROGRAM = """
import sys, time
print("begun", flush=True)
time.sleep(max(0, float(sys.argv[1]) - time.time()))
print("done")
"""
# Until which a server that runs it is killed.
LONG_ENOUGH_S = 15


@pytest.fixture
def env(tmp_path):
    return service.environment(tmp_path, **SHORT)


def ends_later():
    """Return the program's arguments."""
    return [str(time.time() + LONG_ENOUGH_S)]


def kill_while_running(server, job_id, data_dir):
    with server.http as http, http.stream("GET", f"/api/jobs/{job_id}/output") as stream:
        assert any("begun" in line for line in stream.iter_lines())
        journal = Path(data_dir) / "output"
        assert eventually(lambda: journal.is_dir() and any(journal.iterdir()))
        server.stop(signal.SIGKILL)


def test_a_pending_job_stays_pending_and_can_be_executed(env):
    with service.served(env) as server:
        job_id = server.upload("print(1)")["job_id"]
        server.stop(signal.SIGKILL)
    with service.served(env) as server:
        assert server.job(job_id)["status"] == "PENDING"
        assert server.execute(job_id, wait_s=60)["status"] == "SUCCESS"


def test_a_program_that_had_begun_is_not_run_a_second_time_behind_its_owner_s_back(env):
    with service.served(env) as server:
        job_id = server.upload(PROGRAM, args=ends_later(), execute=True)["job_id"]
        kill_while_running(server, job_id, env["SERVICE_SERVER_DATA_DIR"])
    with service.served(env) as server:
        ended = server.job(job_id, wait_s=60)
    assert (ended["status"], ended["data"]["reason"]) == ("FAILED", "worker_lost")
    assert ended["data"]["result"]["stdout"] == "begun\n"


def test_a_program_that_may_run_again_does(env):
    with service.served(env) as server:
        job_id = server.upload(PROGRAM, args=ends_later(), execute=True, max_attempts=2)["job_id"]
        kill_while_running(server, job_id, env["SERVICE_SERVER_DATA_DIR"])
    with service.served(env) as server:
        ended = server.job(job_id, wait_s=60)
    assert (ended["status"], len(ended["executions"])) == ("SUCCESS", 2)
    assert ended["data"]["result"]["stdout"] == "begun\ndone\n"


def test_every_job_that_was_accepted_is_there(env):
    with service.served(env) as server:
        jobs = [server.upload(f"print({n})", execute=True, max_attempts=3)["job_id"] for n in range(20)]
        server.stop(signal.SIGKILL)
    with service.served(env) as server:
        ended = [server.job(job_id, wait_s=60) for job_id in jobs]
    assert [(job["status"], job["data"]["result"]["stdout"]) for job in ended] == [
        ("SUCCESS", f"{n}\n") for n in range(20)
    ]
