import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle
from threading import Event, Lock, Thread

import httpx
import pytest

from tests.chaos.jobs import NO_TLS, outcomes, soon
from tests.support.cluster import Cluster

JOBS = 2_000
CALLERS = 8
# The program of one job in two may be started again when its worker is lost; the others' may not.
ATTEMPTS = (1, 3)
# How long a caller waits before it tries again.
PAUSE_S = 0.1


class Callers:
    """Submit jobs at whichever API answers, as clients do that try again.

    Attributes:
        accepted: How often the program of each job that was answered with 200 may start.
        refused: The answers that were neither 200 nor 503.
    """

    def __init__(self, urls: list[str], jobs: int) -> None:
        self.accepted: dict[str, int] = {}
        self.refused: list[str] = []
        self.unanswered = 0
        self._urls = urls
        self._wanted = iter(range(jobs))
        self._lock = Lock()
        self._threads = [Thread(target=self._call) for _ in range(CALLERS)]
        for thread in self._threads:
            thread.start()

    @property
    def are_done(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def _call(self) -> None:
        with httpx.Client(verify=NO_TLS, timeout=15) as client:
            for number in iter(self._next, None):
                while not self._submit(client, ATTEMPTS[number % 2]):
                    time.sleep(PAUSE_S)

    def _next(self) -> int | None:
        with self._lock:
            return next(self._wanted, None)

    def _submit(self, client: httpx.Client, max_attempts: int) -> bool:
        url = random.choice(self._urls)
        try:
            job_id = self._upload(client, url, max_attempts)
            if job_id is None:
                return False
        except httpx.TransportError:
            self.unanswered += 1
            return False
        with self._lock:
            self.accepted[job_id] = max_attempts
        return True

    def _upload(self, client: httpx.Client, url: str, max_attempts: int) -> str | None:
        at_once = max_attempts == 1
        body = {"project": "p", "language": "python", "code": "1", "max_attempts": max_attempts}
        answer = client.post(f"{url}/api/upload", json=body | {"execute": at_once})
        if answer.is_success and not at_once:
            answer = client.post(f"{url}/api/execute/{answer.json()['job_id']}")
        if answer.status_code not in {200, 503}:
            self.refused.append(answer.text)
        return answer.json()["job_id"] if answer.is_success else None


def disasters(cluster: Cluster) -> Iterator[Callable[[], None]]:
    """Yield what may happen to a service, in random order, each as often as the others."""
    servers = cluster.servers
    kinds: list[Callable[[], None]] = [
        lambda: random.choice(cluster.workers).kill(),
        lambda: random.choice(cluster.workers).kill(),
        lambda: random.choice(cluster.apis).kill(),
        servers.redis.flush,
        servers.redis.kill,
        servers.database.kill,
    ]
    random.shuffle(kinds)
    return cycle(kinds)


@pytest.mark.timeout(1_800)
def test_no_accepted_job_is_lost_whatever_dies(cluster, witness, soak):
    # Given callers at work
    cluster.servers.runner.requests.clear()
    callers = Callers(cluster.urls, JOBS * soak)
    # When processes and servers die at random while they are
    happened = 0
    for disaster in disasters(cluster):
        if callers.are_done:
            break
        Event().wait(random.uniform(0.2, 1.0))
        disaster()
        happened += 1
        cluster.heal()
    # Then every job that was accepted ends, once, and says so once
    ended = outcomes(cluster, callers.accepted, within_s=60)
    soon(lambda: cluster.rows("SELECT COUNT(*) FROM jobs WHERE status = 'RUNNING'") == [(0,)], within_s=30)
    assert callers.refused == []
    assert happened >= 5
    assert len(callers.accepted) == JOBS * soak
    assert set(ended.values()) <= {("SUCCESS", None), ("FAILED", "worker_lost")}
    assert witness.violations(callers.accepted) == []
    # And no program was started more often than it may be
    starts = Counter(exchange.params["job_id"] for exchange in cluster.servers.runner.asked("/run"))
    assert [job_id for job_id, most in callers.accepted.items() if starts[job_id] > most] == []
    assert Counter(ended.values())["SUCCESS", None] > JOBS * soak / 2
