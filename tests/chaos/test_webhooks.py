import random
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Flag
from threading import Lock

import httpx
import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from tests.chaos.jobs import ask, outcomes, soon
from tests.support.receiver import HANG_UP, Event, receiver

JOBS = 50  # `make soak` has fifty times as many: 2,500 jobs, and 5,000 events
CALLERS = 4
PROJECT = "webhooks"
TYPES = ["job.started", "job.completed"]
FAILURES = (500, 503, 302, 404, HANG_UP)
PENDING = "SELECT COUNT(*) FROM webhook_deliveries WHERE status = 'PENDING'"


class FlakyReceiver:
    """Fails for half of the posts.

    Attributes:
        secret: The secret that signs the posts.
        posts: The type, the id and the status of each post, by the job and in their order.
        unsigned: The posts whose signature was not good when they came.
    """

    secret: str

    def __init__(self) -> None:
        self.unsigned: list[Event] = []
        self.posts: defaultdict[str, list[tuple[str, str, int]]] = defaultdict(list)
        self._lock = Lock()

    def __call__(self, event: Event) -> int:
        try:
            event.verify(self.secret)
        except WebhookVerificationError:
            self.unsigned.append(event)
        status = random.choice((200, random.choice(FAILURES)))
        with self._lock:
            self.posts[event.data["job_id"]].append((event.type, event.id, status))
        return status

    def arrived(self, job_id: str) -> list[str]:
        """Return the types of a job's events that were accepted, in the order of their first acceptance."""
        with self._lock:
            accepted = [kind for kind, _id, status in self.posts[job_id] if status == 200]
        return list(dict.fromkeys(accepted))


def submitted(urls: list[str]) -> str:
    """Submit a job at whichever API answers; return its id."""

    def try_once() -> str | None:
        body = {"project": PROJECT, "language": "python", "code": "1", "max_attempts": 3, "execute": True}
        try:
            answer = ask("POST", f"{random.choice(urls)}/api/upload", json=body)
        except httpx.TransportError:  # of an API that was killed
            return None
        return answer.json()["job_id"] if answer.is_success else None

    return soon(try_once)


@pytest.mark.timeout(1_800)
def test_every_event_arrives_and_in_order_though_processes_are_killed_and_the_receiver_fails(cluster, soak):
    # Given a subscription whose receiver fails half the time
    flaky, done = FlakyReceiver(), Flag()
    with receiver(flaky) as target:
        ask("POST", f"{cluster.urls[0]}/api/project", json={"project_name": PROJECT}).raise_for_status()
        body = {"url": target.url, "project": PROJECT, "events": TYPES}
        webhook = ask("POST", f"{cluster.urls[0]}/api/webhooks", json=body).raise_for_status().json()
        flaky.secret = webhook["secret"]
        # When jobs run, and APIs and workers are killed meanwhile
        with ThreadPoolExecutor(CALLERS + 1) as threads:

            def strike() -> int:
                kills = 0
                while not done.wait(random.uniform(0.5, 1.5)):
                    random.choice([*cluster.workers, *cluster.apis]).kill()
                    kills += 1
                    cluster.heal()
                return kills

            striking = threads.submit(strike)
            try:
                job_ids = list(threads.map(lambda _: submitted(cluster.urls), range(JOBS * soak)))
                ended = outcomes(cluster, job_ids)
                soon(lambda: all(flaky.arrived(job_id) == TYPES for job_id in job_ids), within_s=900)
            finally:
                done.set()
            kills = striking.result()
        # Then each event has arrived, the start of a job before its end
        assert kills > 0
        assert {status for status, _reason in ended.values()} <= {"SUCCESS", "FAILED"}
        assert [job_id for job_id in job_ids if flaky.arrived(job_id) != TYPES] == []
        for job_id in job_ids:
            posts = flaky.posts[job_id]
            first_end = next(n for n, (kind, _id, _status) in enumerate(posts) if kind == TYPES[1])
            assert (TYPES[0], 200) in {(kind, status) for kind, _id, status in posts[:first_end]}
            # And each is one event, however often it was posted
            assert len({(kind, event_id) for kind, event_id, _status in posts}) == len(TYPES)
        # And signed, and soon nothing is left to be posted
        assert flaky.unsigned == []
        soon(lambda: cluster.rows(PENDING) == [(0,)])
