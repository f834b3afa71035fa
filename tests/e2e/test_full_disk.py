"""A service whose data directory is on a disk that is full for a while."""

import pytest

from tests.support import service
from tests.support.processes import eventually
from tests.support.small_disk import fill, small_disk

PROGRAM = "import time; print('begun', 'x' * int(input()), flush=True); time.sleep(4)"
# One whose output stays in memory, and one whose output is on the disk while it runs.
SIZES = (10, 300_000)


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk") as directory:
        yield directory


def test_a_full_disk_costs_no_result_and_runs_no_program_twice(disk):
    env = service.environment(disk, SERVICE_SERVER_WORKER_THREADS=4)
    with service.served(env) as server, server.http as http:
        # Given programs that run, and others that wait
        jobs = [
            server.upload(PROGRAM, execute=True, stdin=str(size))["job_id"] for size in SIZES for _ in "1234"
        ]
        with http.stream("GET", f"/api/jobs/{jobs[0]}/output") as output:
            assert any("begun" in line for line in output.iter_lines())
        # When the disk is full until that is met
        filler = fill(disk)
        assert eventually(lambda: "its disk is full" in server.output)
        ready = http.get("/health/ready")
        filler.unlink()
        # Then all of them end well, at their first attempt, with their logs
        ended = [server.job(job_id, wait_s=60) for job_id in jobs]
        logs = [http.get("/api/log", params={"log_key": job["log_key"]}) for job in ended]
    assert ready.status_code == 503
    assert "the disk is full" in ready.text
    assert [(job["status"], len(job["executions"])) for job in ended] == [("SUCCESS", 1)] * len(jobs)
    assert all(log.is_success for log in logs)
