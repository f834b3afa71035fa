"""A service whose data directory is on a disk that is full for a while."""

import os
import subprocess
from contextlib import suppress

import pytest

from tests.support import service
from tests.support.processes import eventually

PROGRAM = "import time; print('x' * int(input()), flush=True); time.sleep(1.5)"
# One whose output stays in memory, and one whose output is on the disk while it runs.
SIZES = (10, 300_000)


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    directory = tmp_path / "disk"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", directory], check=True)
    yield directory
    subprocess.run(["umount", "--lazy", directory], check=True)


def fill(disk):
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4_096))


def test_a_full_disk_costs_no_result_and_runs_no_program_twice(disk):
    env = service.environment(disk, SERVICE_SERVER_WORKER_THREADS=4)
    with service.served(env) as server, server.http as http:
        # Given programs that run, and others that wait
        jobs = [
            server.upload(PROGRAM, execute=True, stdin=str(size))["job_id"] for size in SIZES for _ in "1234"
        ]
        assert eventually(lambda: server.job(jobs[3])["phase"] == "running")
        # When the disk is full until they have ended
        fill(disk)
        assert eventually(lambda: sum("waits on its thread" in line for line in server.said) >= 4)
        ready = http.get("/health/ready")
        (disk / "filler").unlink()
        # Then all of them end well, at their first attempt, with their logs
        ended = [server.job(job_id, wait_s=30) for job_id in jobs]
        logs = [http.get("/api/log", params={"log_key": job["log_key"]}) for job in ended]
    assert ready.status_code == 503
    assert "the disk is full" in ready.text
    assert [(job["status"], len(job["executions"])) for job in ended] == [("SUCCESS", 1)] * len(jobs)
    assert all(log.is_success for log in logs)
