from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from threading import Event
from uuid import uuid4

import pytest
import sqlalchemy as sa

from adapters.sql.mapping import execution_values, job_values, tenant_values
from adapters.sql.tables import executions, jobs, projects, tenants
from domain.job import Job
from domain.priority import MAX_PRIORITY
from domain.quota import Quota
from domain.tenant import DEFAULT_TENANT
from domain.values import JobId
from tests.chaos.conftest import QUICK
from tests.chaos.delayed_runners import after, takes
from tests.chaos.jobs import outcomes, soon, submit
from tests.support.callers import a_tenant
from tests.support.cluster import Cluster
from tests.support.processes import eventually
from tests.support.runner import runs
from tests.support.samples import NOW, a_spec, new_execution_id, the_project

# Workers are woken by commands and by ends alone: nothing looks for work that waits.
UNHURRIED = {"SERVICE_SERVER_ANNOUNCE_AFTER_S": "3600"}
BOUND = 10
SUBMISSIONS = 200
RUN_S = 1.0
THREADS = 4
# `make soak` queues the most.
HOG, MOST = 2_000, 100_000
CHUNK = 2_000

_OVERTAKING = """SELECT COUNT(*) FROM executions AS other JOIN executions AS own ON own.job_id = :id
    WHERE other.claimed_at > own.requested_at AND other.claimed_at < own.claimed_at"""
_SEES_CLAIMS = """
CREATE TRIGGER sees_claims AFTER UPDATE ON executions FOR EACH ROW
BEGIN
    IF OLD.state = 'WAITING' AND NEW.state = 'CLAIMED' THEN
        INSERT INTO claims_seen (running)
        SELECT COUNT(*) FROM executions WHERE state = 'CLAIMED' AND tenant = NEW.tenant;
    END IF;
END
"""


@pytest.fixture
def start(servers, tmp_path):
    """Starts one API and two workers with so many threads each, on an empty database."""
    with ExitStack() as running:

        def start(threads, **settings):
            settings = {**QUICK, "SERVICE_SERVER_WORKER_THREADS": str(threads), **settings}
            cluster = Cluster(tmp_path / "fairness", servers, redis_database=2, **settings)
            return running.enter_context(cluster)

        yield start


class Programs:
    """The programs that are at a runner at once."""

    def __init__(self):
        self.running = self.most = 0

    def counted(self, behaviour):
        """Behave like that, and be counted meanwhile."""

        async def behave(exchange):
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                await behaviour(exchange)
            finally:
                self.running -= 1

        return behave


@pytest.mark.timeout(180)
def test_a_quota_of_ten_running_is_kept_with_a_worker_killed_and_is_whole_again_after_it(start):
    # Given a tenant whose quota allows ten at once, and two workers with room for more
    cluster = start(threads=12, **UNHURRIED)
    cluster.start(apis=1, workers=2)
    _set_quota(cluster, DEFAULT_TENANT.value, Quota(running=BOUND))
    with cluster.database.connect() as connection:
        connection.execute(sa.text("CREATE TABLE claims_seen (running INT NOT NULL)"))
        connection.execute(sa.text(_SEES_CLAIMS))
    programs, gate = Programs(), Event()
    cluster.servers.runner.behaviour = programs.counted(after(gate, runs()))
    # When it submits two hundred programs at once, which may take as long as all that follows
    asked = {"max_attempts": 3, "timeout_ms": 300_000}
    with ThreadPoolExecutor(8) as callers:
        job_ids = list(callers.map(lambda _: submit(cluster.urls[0], **asked), range(SUBMISSIONS)))
    # Then ten of them run
    soon(lambda: _claimed(cluster) == BOUND and programs.running == BOUND)
    # And when a worker is killed, ten run again after its leases have run out, all with the other one
    killed, survivor = cluster.workers
    lost = _held_by(cluster, killed)
    assert lost or _held_by(cluster, survivor) == BOUND
    killed.kill()
    soon(lambda: _held_by(cluster, survivor) == BOUND)
    assert _claimed(cluster) == BOUND
    # And when the programs end, and the killed worker is back, every one of the two hundred ends
    gate.set()
    cluster.heal()
    ended = outcomes(cluster, job_ids)
    assert set(ended.values()) == {("SUCCESS", None)}
    # And no more than ten ever ran, by the rows at each claim
    ((most, claims),) = cluster.rows("SELECT MAX(running), COUNT(*) FROM claims_seen")
    assert most == BOUND
    assert claims == SUBMISSIONS + lost
    assert _claimed(cluster) == 0


def test_a_long_queue_of_urgent_jobs_delays_anothers_job_by_one_running_job_at_most(start, soak):
    # Given a tenant with thousands of jobs of the highest priority, and workers that are busy with them
    cluster = start(threads=THREADS)
    _queue(cluster, "hog", HOG if soak == 1 else MOST)
    cluster.servers.runner.behaviour = takes(RUN_S, runs())
    cluster.start(apis=1, workers=2)
    soon(lambda: _claimed(cluster) == 2 * THREADS)
    # When another submits one of the lowest priority
    job_id = submit(cluster.urls[0], priority=0)
    # Then it is the next that is claimed, but for claims that are on their way
    assert outcomes(cluster, [job_id]) == {job_id: ("SUCCESS", None)}
    ((overtaking,),) = cluster.rows(_OVERTAKING, id=job_id)
    assert overtaking <= 2 * THREADS
    # And the others, which had the higher priority, go on
    assert eventually(lambda: _claimed(cluster) >= 2 * THREADS - 1)


def _queue(cluster, tenant, number):
    """Have executions of a tenant wait, of the highest priority and for a while already."""
    long_ago = NOW - timedelta(days=1)
    made = []
    for _ in range(number):
        pending, _events = Job.submit(JobId(uuid4()), the_project(1), a_spec(priority=MAX_PRIORITY), NOW)
        made.append(pending.start(new_execution_id(), None, NOW)[:2])
    owned = [{**job_values(job), "tenant": tenant} for job, _execution in made]
    waiting = [
        {**execution_values(job, execution), "tenant": tenant, "waiting_since": long_ago}
        for job, execution in made
    ]
    with cluster.database.connect() as connection:
        connection.execute(sa.insert(tenants), tenant_values(a_tenant(tenant)))
        project = {"name": "hog", "live_name": "hog", "tenant": tenant, "status": "ACTIVE", "created_at": NOW}
        connection.execute(sa.insert(projects), project)
        for begin in range(0, number, CHUNK):
            connection.execute(sa.insert(jobs), owned[begin : begin + CHUNK])
            connection.execute(sa.insert(executions), waiting[begin : begin + CHUNK])


def _set_quota(cluster, tenant, quota):
    with cluster.database.connect() as connection:
        is_it = tenants.c.tenant == tenant
        connection.execute(sa.update(tenants).where(is_it).values(quota=quota.figures()))


def _claimed(cluster):
    return cluster.rows("SELECT COUNT(*) FROM executions WHERE state = 'CLAIMED'")[0][0]


def _held_by(cluster, worker):
    holders = cluster.rows("SELECT claimed_by FROM executions WHERE state = 'CLAIMED'")
    return sum(int(holder.split(":")[1]) == worker.pid for (holder,) in holders)
