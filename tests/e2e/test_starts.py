"""No program starts twice that may start once, whenever the service is killed."""

import os
import random
import signal
import time
from collections import Counter

import pytest

from tests.e2e.test_restart import SHORT
from tests.support import service

KILLS = 4
JOBS = 8
START_S = 90


def starts(path):
    return Counter(path.read_text().split()) if path.exists() else Counter()


@pytest.mark.timeout(300)
def test_a_program_that_may_start_once_never_starts_twice(tmp_path):
    # Given a service whose programs can leave a mark outside of it
    marks = tmp_path / "marks"
    env = service.environment(
        tmp_path / "data", **SHORT, SERVICE_SERVER_SANDBOX="off", SERVICE_SERVER_WORKER_THREADS=JOBS
    )
    jobs = []
    # When it is killed again and again, as programs start
    for _ in range(KILLS * int(os.environ.get("SERVICE_SERVER_SOAK", "1"))):
        with service.served(env) as server:
            before = starts(marks).total()
            code = f"echo $MARK >> {marks}"
            names = [f"job-{len(jobs) + number}" for number in range(JOBS)]
            for name in names:
                job = server.upload(code, "bash", env={"MARK": name}, execute=True)
                jobs.append((job["job_id"], name))
            enough, deadline = before + random.randint(1, JOBS), time.monotonic() + START_S
            while starts(marks).total() < enough:
                assert time.monotonic() < deadline, server.output
            server.stop(signal.SIGKILL)
    # Then each has started once at most
    with service.served(env) as server:
        ended = {name: server.job(job_id, wait_s=60) for job_id, name in jobs}
    seen = starts(marks)
    outcomes = {(job["status"], job["data"].get("reason")) for job in ended.values()}
    assert outcomes <= {("SUCCESS", None), ("FAILED", "worker_lost")}
    assert [name for name in ended if seen[name] > 1] == []
    # And each that succeeded has started
    assert [name for name, job in ended.items() if job["status"] == "SUCCESS" and not seen[name]] == []
