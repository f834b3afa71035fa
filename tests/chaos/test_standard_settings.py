import time

import pytest

from tests.chaos.audit_log import AuditLog
from tests.chaos.jobs import attempts, outcomes, running_at, soon, submit, worker_pid
from tests.support.cluster import Cluster
from tests.support.runner import hang, in_turn, runs

# Added to the times in which it has to be done, for a machine that does much else.
BUSY_S = 40


@pytest.fixture
def standard_cluster(servers, tmp_path):
    """One API and two workers with the times that production has, each worker with one program at once."""
    one_thread = {"SERVICE_SERVER_WORKER_THREADS": "1"}
    with Cluster(tmp_path / "standard", servers, redis_database=2, **one_thread) as cluster:
        AuditLog(cluster.database).install()
        cluster.start(apis=1, workers=2)
        yield cluster


def test_what_a_killed_and_a_stopped_worker_had_is_run_by_others(standard_cluster):
    # Given two workers, each with a program that does not end
    cluster = standard_cluster
    cluster.servers.runner.behaviour = in_turn(hang, hang, runs())
    first, second = jobs = [submit(cluster.urls[0], max_attempts=2) for _ in range(2)]
    soon(lambda: all(running_at(cluster, job_id) for job_id in jobs))
    # When one is killed, and the other is told to stop
    by_pid = {worker.pid: worker for worker in cluster.workers}
    killed = by_pid[worker_pid(cluster, first)]
    stopped = by_pid[worker_pid(cluster, second)]
    begin = time.monotonic()
    killed.kill()
    stopped.terminate()
    cluster.start(apis=0, workers=1)
    # Then the one that was told to ends in time, and gives its program back without burning an attempt
    assert stopped.wait() == 0
    assert time.monotonic() - begin < 25 + BUSY_S
    # And the killed one's program is run again in time too, as its second attempt
    ended = outcomes(cluster, jobs, within_s=begin + 40 + BUSY_S - time.monotonic())
    assert set(ended.values()) == {("SUCCESS", None)}
    assert [attempt["number"] for attempt in attempts(cluster, first)] == [1, 2]
    assert {attempt["number"] for attempt in attempts(cluster, second)} == {1}
    assert AuditLog(cluster.database).violations(jobs) == []
