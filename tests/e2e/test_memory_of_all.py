"""Programs that may not all have their memory at once run in turn, and stay in the queue until then."""

import json

from tests.support import service
from tests.support.sandbox import require_bubblewrap

PROGRAM = """
import json, time
begin = time.monotonic()
time.sleep(0.2)
print(json.dumps([begin, time.monotonic()]))
"""
JOBS = 6
TWO_AT_ONCE = {"SERVICE_SERVER_ENGINE_MEMORY_MB": 700, "SERVICE_SERVER_WARM_STARTS": 0}


def test_no_more_programs_run_at_once_than_there_is_memory_for(tmp_path):
    require_bubblewrap()
    with service.served(service.environment(tmp_path, **TWO_AT_ONCE)) as server, server.http as http:
        jobs = [server.upload(PROGRAM, execute=True, memory_mb=256)["job_id"] for _ in range(JOBS)]
        ended = [server.job(job, wait_s=30) for job in jobs]
        described = http.get("/api/engine").json()["limits"]["memory_mb"]

    assert [job["status"] for job in ended] == ["SUCCESS"] * JOBS
    times = [json.loads(job["data"]["result"]["stdout"]) for job in ended]
    assert max(sum(begin <= at < end for begin, end in times) for at, _ in times) <= 2
    assert described.endswith("running programs share 700 MiB, and others wait")
