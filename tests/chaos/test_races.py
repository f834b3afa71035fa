import multiprocessing
from collections import Counter

import pytest

from domain.values import JobId
from entrypoints.container import build_container
from entrypoints.settings import Settings
from tests.chaos.racing import Contested, fill, race
from tests.chaos.witness import Witness
from tests.support.cluster import Cluster

RACES = 10_000
LANES = 4
CHUNK = 1_000


@pytest.mark.timeout(1_800)
def test_a_job_ends_once_and_says_so_once_whoever_races_for_its_end(servers, tmp_path, soak, monkeypatch):
    # Given running jobs whose workers are overdue
    races = RACES * soak
    with Cluster(tmp_path / "races", servers, redis_database=1) as cluster:
        for name, value in cluster.environment.items():
            monkeypatch.setenv(name, value)
        container = build_container(Settings())
        container.create_project()("races", None)
        witness = Witness(cluster.database)
        witness.install()
        contested = [Contested.number(number) for number in range(races)]
        for begin in range(0, races, CHUNK):
            fill(container, contested[begin : begin + CHUNK])
        # When two processes finish, report, cancel and rescue each at the same moment
        _race(cluster, races)
        # And those that were given a second attempt are cancelled
        left = cluster.rows("SELECT job_id FROM jobs WHERE status = 'RUNNING'")
        for (job_id,) in left:
            container.cancel_job()(JobId(job_id))
        # Then each has ended once, never changed after it, and told it once
        assert witness.violations([str(one.job.id) for one in contested]) == []
        ended = Counter(status for (status,) in cluster.rows("SELECT status FROM jobs"))
        assert ended.keys() == {"SUCCESS", "FAILED", "CANCELLED"}
        assert sum(ended.values()) == races
        container.database().dispose()


def _race(cluster: Cluster, races: int) -> None:
    context = multiprocessing.get_context("spawn")
    barriers = [context.Barrier(2) for _ in range(LANES)]
    racers = [
        context.Process(target=race, args=(cluster.environment, races, seed, barriers)) for seed in (1, 2)
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert [racer.exitcode for racer in racers] == [0, 0]
