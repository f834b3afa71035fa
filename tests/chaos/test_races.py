import multiprocessing
from collections import Counter
from dataclasses import replace

import pytest

from domain.values import JobId
from entrypoints.container import build_container
from entrypoints.settings import Settings
from tests.chaos.audit_log import AuditLog
from tests.chaos.race_processes import Contested, fill, race
from tests.support.callers import ANONYMOUS
from tests.support.cluster import Cluster

# On MySQL as many as show that it decides races as MariaDB does. `make soak` runs fifty times as many.
RACES = {"mariadb": 1_000, "mysql": 100}
LANES = 4
CHUNK = 100


@pytest.fixture(params=RACES)
def arena(request, servers, tmp_path):
    """A cluster on either database, and how many races it is for."""
    database = servers.database if request.param == "mariadb" else request.getfixturevalue(request.param)
    with Cluster(tmp_path / "races", replace(servers, database=database), redis_database=1) as cluster:
        yield cluster, RACES[request.param]


@pytest.mark.timeout(1_800)
def test_a_job_ends_once_and_says_so_once_whoever_races_for_its_end(arena, soak, monkeypatch):
    # Given running jobs whose workers are overdue
    cluster, races = arena[0], arena[1] * soak
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    container = build_container(Settings())
    container.services().create_project(ANONYMOUS, "races", None)
    audit_log = AuditLog(cluster.database)
    audit_log.install()
    contested = [Contested.number(number) for number in range(races)]
    for begin in range(0, races, CHUNK):
        fill(container, contested[begin : begin + CHUNK])
    # When two processes finish, report, cancel and recover each at the same moment
    _race(cluster, races)
    # And those that were given a second attempt are cancelled
    left = cluster.rows("SELECT job_id FROM jobs WHERE status = 'RUNNING'")
    for (job_id,) in left:
        container.services().cancel_job(ANONYMOUS, JobId(job_id))
    # Then each has ended once, never changed after it, and told it once
    assert audit_log.violations([str(one.job.id) for one in contested]) == []
    ended = Counter(status for (status,) in cluster.rows("SELECT status FROM jobs"))
    assert ended.keys() == {"SUCCESS", "FAILED", "CANCELLED"}
    assert sum(ended.values()) == races
    container.database().dispose()


def _race(cluster: Cluster, races: int) -> None:
    # Its racers are forked from one process that has loaded the service, which takes two seconds.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([race.__module__])
    barriers = [context.Barrier(2) for _ in range(LANES)]
    racers = [
        context.Process(target=race, args=(cluster.environment, races, seed, barriers)) for seed in (1, 2)
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert [racer.exitcode for racer in racers] == [0, 0]
