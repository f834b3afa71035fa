"""Batches while the APIs that take them and the workers that run them are killed: all of one, or nothing."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import uuid4

import httpx
import pytest

from tests.chaos.jobs import ask, outcomes, soon
from tests.support.cluster import Cluster

# `make soak` submits fifty times as many.
BATCHES = 8
JOBS = 60
CALLERS = 2
# As for single jobs: of so many that may have three attempts, how many may meet a worker's death three times.
UNLUCKY = 2
_JOBS = """SELECT projects.name, jobs.batch_id, jobs.job_id FROM jobs JOIN projects USING (project_id)
    WHERE projects.name LIKE :prefix"""
_BATCHES = "SELECT batch_id, total FROM batches"
_EXECUTIONS = "SELECT job_id, number FROM executions"


class BatchSender:
    """Sends batches, each of a project of its own; half of them until one is answered, half of them once.

    Attributes:
        answered: The ids of the jobs of each batch that was answered for, by its project.
        prefix: The beginning of the names of the projects.
    """

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        self.answered: dict[str, list[str]] = {}
        self._cluster = cluster
        self.prefix = prefix

    def send(self, number: int) -> None:
        """Send a batch."""
        project = f"{self.prefix}{number}"
        job = {"project": project, "language": "python", "max_attempts": 3}
        body = {"jobs": [{**job, "code": f"print({number}, {place})"} for place in range(JOBS)]}
        key = {"Idempotency-Key": str(uuid4())}

        def answer() -> list[str] | None:
            try:
                sent = ask("POST", f"{random.choice(self._cluster.urls)}/api/batches", json=body, headers=key)
            except httpx.TransportError:
                return None
            # Its first sending may be in work for all that is known, or a part of the service is away.
            assert sent.status_code in {200, 409, 503}, sent.text
            return list(sent.json()["jobs"]) if sent.status_code == 200 else None

        jobs = soon(answer) if number % 2 else answer()
        if jobs is not None:
            self.answered[project] = jobs


@pytest.mark.timeout(1_800)
def test_a_batch_is_there_once_with_all_of_its_jobs_or_not_at_all_whatever_dies(cluster: Cluster, soak: int):
    # Given batches that are sent to two APIs
    sender = BatchSender(cluster, f"batch-{uuid4().hex[:8]}-")
    prefix = f"{sender.prefix}%"
    kills = 0
    with ThreadPoolExecutor(CALLERS) as pool:
        sent = [pool.submit(sender.send, number) for number in range(BATCHES * soak)]
        # When APIs and workers are killed as long as batches are made
        while not all(future.done() for future in sent):
            Event().wait(random.uniform(0.05, 0.5))
            random.choice((*cluster.apis, *cluster.apis, *cluster.workers)).kill()
            kills += 1
            cluster.heal()
        for future in sent:
            future.result()
    # And some more while they are executed
    for _ in range(3):
        random.choice(cluster.workers).kill()
        cluster.heal()
    # Then every batch that was answered for is there, and what is there is whole
    found: dict[str, list[str]] = {}
    batch_of: dict[str, set[str]] = {}
    for project, batch_id, job_id in cluster.rows(_JOBS, prefix=prefix):
        found.setdefault(project, []).append(str(job_id))
        batch_of.setdefault(project, set()).add(str(batch_id))
    assert {project: len(jobs) for project, jobs in found.items()} == dict.fromkeys(found, JOBS)
    assert {project: sorted(jobs) for project, jobs in sender.answered.items()} == {
        project: sorted(found.get(project, ())) for project in sender.answered
    }
    assert all(len(batches) == 1 for batches in batch_of.values())
    totals = {str(batch_id): total for batch_id, total in cluster.rows(_BATCHES)}
    assert [totals[batch_id] for batches in batch_of.values() for batch_id in batches] == [JOBS] * len(found)
    # And every job of it ends once
    job_ids = [job_id for jobs in found.values() for job_id in jobs]
    ended = Counter(outcomes(cluster, job_ids, within_s=300).values())
    assert ended.keys() <= {("SUCCESS", None), ("FAILED", "worker_lost")}
    assert ended["FAILED", "worker_lost"] <= UNLUCKY * soak
    attempts = Counter((str(job_id), number) for job_id, number in cluster.rows(_EXECUTIONS))
    assert all(attempts[job_id, 1] == 1 for job_id in job_ids)
    assert len(sender.answered) >= BATCHES * soak // 2
    assert kills > 0
