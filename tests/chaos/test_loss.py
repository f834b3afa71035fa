import os
import random
import signal
import time
from collections import Counter
from collections.abc import Collection
from itertools import count
from threading import Event, Lock, Thread

import httpx
import pytest

from tests.chaos.conftest import QUICK
from tests.chaos.jobs import outcomes, soon
from tests.support.cluster import Cluster
from tests.support.no_tls import NO_TLS
from tests.support.runner import Behaviour, Exchange, runs

PROJECT = "loss"
JOBS = 200  # `make soak` submits fifty times as many
CALLERS = 8
# The program of one job in two may be started again when its worker is lost; the others' may not.
ATTEMPTS = (1, 3)
# How long a caller waits before it tries again.
PAUSE_S = 0.1
# Of jobs that were not answered for, too.
RUNNING = (
    "SELECT COUNT(*) FROM jobs JOIN projects USING (project_id)"
    " WHERE jobs.status = 'RUNNING' AND projects.name = :project"
)
# Longer than the lease of whatever workers hold.
OUTAGE_S = float(QUICK["SERVICE_SERVER_LEASE_S"]) + 1
# Of the jobs that may have three attempts, how many in 2,000 may meet a worker's death three times.
UNLUCKY = 2


class Callers:
    """Submit jobs at whichever API answers, as clients do that try again.

    They submit so many at least, and more until they are stopped.

    Attributes:
        accepted: How often the program of each job that was answered with 200 may start.
        refused: The answers that were neither 200 nor 503.
        enough: To be set when they may stop.
    """

    def __init__(self, urls: list[str], jobs: int) -> None:
        self.accepted: dict[str, int] = {}
        self.refused: list[str] = []
        self.enough = Event()
        self._urls = urls
        self._jobs = jobs
        self._numbers = count()
        self._lock = Lock()
        self._threads = [Thread(target=self._call) for _ in range(CALLERS)]
        for thread in self._threads:
            thread.start()

    @property
    def are_done(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def _call(self) -> None:
        with httpx.Client(verify=NO_TLS, timeout=60) as client:
            for number in iter(self._next, None):
                while not self._submit(client, ATTEMPTS[number % 2]):
                    time.sleep(PAUSE_S)

    def _next(self) -> int | None:
        with self._lock:
            number = next(self._numbers)
        return number if number < self._jobs or not self.enough.is_set() else None

    def _submit(self, client: httpx.Client, max_attempts: int) -> bool:
        url = random.choice(self._urls)
        try:
            job_id = self._upload(client, url, max_attempts)
            if job_id is None:
                return False
        except httpx.TransportError:
            return False
        with self._lock:
            self.accepted[job_id] = max_attempts
        return True

    def _upload(self, client: httpx.Client, url: str, max_attempts: int) -> str | None:
        at_once = max_attempts == 1
        body = {"project": PROJECT, "language": "python", "code": "1", "max_attempts": max_attempts}
        answer = client.post(f"{url}/api/upload", json=body | {"execute": at_once})
        if answer.is_success and not at_once:
            answer = client.post(f"{url}/api/execute/{answer.json()['job_id']}")
        if answer.status_code not in {200, 503}:
            self.refused.append(answer.text)
        return answer.json()["job_id"] if answer.is_success else None


class Disasters:
    """The faults of a service.

    Attributes:
        killed: The ids of the workers that were killed.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.killed: set[int] = set()
        self._cluster = cluster

    def kill_a_worker(self) -> None:
        worker = random.choice(self._cluster.workers)
        self.killed.add(worker.pid)
        worker.kill()

    def kill_an_api(self) -> None:
        random.choice(self._cluster.apis).kill()

    def empty_redis(self) -> None:
        self._cluster.servers.redis.flush()

    def kill_redis(self) -> None:
        self._cluster.servers.redis.kill()

    def kill_the_database(self) -> None:
        self._cluster.servers.database.kill()

    def freeze_the_database(self) -> None:
        """Have it answer nothing for longer than a lease, so that no worker can renew one."""
        os.kill(self._cluster.servers.database.pid, signal.SIGSTOP)
        time.sleep(OUTAGE_S)


SHORT_ONES = (
    Disasters.kill_a_worker,
    Disasters.kill_an_api,
    Disasters.empty_redis,
    Disasters.kill_redis,
    Disasters.kill_the_database,
)


@pytest.mark.timeout(1_800)
def test_no_accepted_job_is_lost_whatever_dies(cluster, audit_log, soak):
    # Given callers at work
    starts: Counter[str] = Counter()
    cluster.servers.runner.behaviour = counted(starts, runs())
    callers = Callers(cluster.urls, JOBS * soak)
    disasters = Disasters(cluster)
    # When everything that can happen to processes and servers does while they are, again and again
    kinds = [*SHORT_ONES, Disasters.freeze_the_database]
    while not callers.are_done:
        for strike in random.sample(kinds, len(kinds)):
            Event().wait(random.uniform(0.2, 1.0))
            strike(disasters)
            cluster.heal()
        callers.enough.set()
        kinds = [*SHORT_ONES]
    # Then every job that was accepted ends, once, and says so once
    ended = outcomes(cluster, callers.accepted)
    soon(lambda: cluster.rows(RUNNING, project=PROJECT) == [(0,)])
    assert callers.refused == []
    assert len(callers.accepted) >= JOBS * soak
    assert set(ended.values()) <= {("SUCCESS", None), ("FAILED", "worker_lost")}
    assert audit_log.violations(callers.accepted) == []
    # And only what a killed worker had has lost its worker, and seldom for good if it may run again
    assert holders_of_lost(cluster, callers.accepted) <= disasters.killed
    lost = Counter(callers.accepted[job_id] for job_id, outcome in ended.items() if outcome[0] == "FAILED")
    assert lost[max(ATTEMPTS)] <= UNLUCKY * max(1, len(callers.accepted) // 2_000)
    # And no program was started more often than it may be
    assert [job_id for job_id, most in callers.accepted.items() if starts[job_id] > most] == []


def counted(starts: Counter[str], behaviour: Behaviour) -> Behaviour:
    """Behave like that, and count how often each job's program was started."""

    async def behave(exchange: Exchange) -> None:
        starts[exchange.params["job_id"]] += 1
        await behaviour(exchange)

    return behave


def holders_of_lost(cluster: Cluster, job_ids: Collection[str]) -> set[int]:
    """Return the ids of the processes that had executions which ended without an outcome of their own."""
    found = cluster.rows(
        "SELECT job_id, claimed_by FROM executions"
        " WHERE state = 'ENDED' AND (status IS NULL OR reason = 'worker_lost')"
    )
    return {int(holder.split(":")[1]) for job_id, holder in found if job_id in job_ids}
