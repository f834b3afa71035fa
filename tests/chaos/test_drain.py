import time

import pytest

from tests.chaos.audit_log import AuditLog
from tests.chaos.jobs import attempts, soon, submit, worker_pid
from tests.support.cluster import Cluster
from tests.support.runner import FakeRunner, hang

PROGRAMS = 40
DRAIN_S = 1
# On a busy machine: one call after the other, each until its time limit, would take minutes.
GRACE_S = 30


class Deaf(FakeRunner):
    """Runners that answer nothing, least of all that they are to stop."""

    async def _cancel(self, exchange):
        await hang(exchange)


@pytest.fixture
def deaf_runner():
    with Deaf(behaviour=hang, can_cancel=True) as runner:
        yield runner


@pytest.fixture
def busy_cluster(servers, deaf_runner, tmp_path):
    """A worker with many programs that do not end, on runners that do not hear."""
    settings = {
        "EXECUTION_ENGINE_BASE_URL": deaf_runner.url,
        "SERVICE_SERVER_WORKER_THREADS": str(PROGRAMS),
        "SERVICE_SERVER_DRAIN_S": str(DRAIN_S),
    }
    with Cluster(tmp_path / "drain", servers, redis_database=4, **settings) as cluster:
        AuditLog(cluster.database).install()
        cluster.start(apis=1, workers=1)
        yield cluster


def test_a_worker_that_is_told_to_stop_ends_in_time_however_much_it_has_and_however_deaf_the_engine(
    busy_cluster, deaf_runner
):
    # Given a worker with as many programs as it has threads
    (worker,) = busy_cluster.workers
    jobs = [submit(busy_cluster.urls[0], timeout_ms=120_000) for _ in range(PROGRAMS)]
    soon(lambda: len(deaf_runner.asked("/run")) == PROGRAMS)
    # When it is told to stop
    begin = time.monotonic()
    worker.terminate()
    assert worker.wait() == 0
    took_s = time.monotonic() - begin
    # Then it does soon after the time to drain, the engine was told of each program, and each is given back
    assert took_s < DRAIN_S + GRACE_S
    assert len({exchange.path for exchange in deaf_runner.asked("/cancel/")}) == PROGRAMS
    assert all([attempt["number"] for attempt in attempts(busy_cluster, job_id)] == [1, 1] for job_id in jobs)
    assert not any(worker_pid(busy_cluster, job_id) for job_id in jobs)
