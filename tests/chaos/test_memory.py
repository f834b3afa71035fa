from collections import Counter
from contextlib import ExitStack

from tests.chaos.jobs import outcomes, submit
from tests.support.resident_memory import watched_memory
from tests.support.runner import pours

THREADS = 8  # a worker's by default
TWO_GIB = 2_048


def test_answers_of_two_gigabytes_leave_the_memory_of_workers_flat_whatever_their_threads(cluster):
    # Given an engine that answers with two gigabytes
    cluster.servers.runner.behaviour = pours(TWO_GIB)
    number = THREADS * len(cluster.workers)
    with ExitStack() as watching:
        growths = [watching.enter_context(watched_memory(worker.pid)) for worker in cluster.workers]
        # When it answers every thread of every worker at once
        jobs = [submit(cluster.urls[0], timeout_ms=60_000) for _ in range(number)]
        ended = outcomes(cluster, jobs, within_s=60)
    # Then each of them ends with the reason, and no worker has grown by as much as one answer that is read
    assert Counter(ended.values()) == {("FAILED", "output_limit"): number}
    assert max(growth.most for growth in growths) < 24 << 20
