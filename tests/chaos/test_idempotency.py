"""Requests under one idempotency key, at two APIs of which one is killed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import uuid4

import httpx
import pytest

from tests.chaos.delayed_runners import after
from tests.chaos.jobs import ask, outcomes, soon
from tests.support.cluster import Cluster
from tests.support.runner import runs

AT_ONCE = 100
_JOBS = """SELECT job_id FROM jobs JOIN projects ON projects.project_id = jobs.project_id
    WHERE projects.name = :project"""


class KeyedUpload:
    """One request under a key, sent to any of the APIs as often as one likes."""

    def __init__(self, cluster: Cluster, query: str = "", **fields: object) -> None:
        self._cluster = cluster
        self._query = query
        self.project = f"idempotent-{uuid4()}"
        self._body = {"project": self.project, "language": "python", "code": "print(1)", **fields}
        self._headers = {"Idempotency-Key": str(uuid4())}

    def send(self, api: int) -> httpx.Response | None:
        """Return the answer of an API, or None if it has gone."""
        url = f"{self._cluster.urls[api]}/api/upload{self._query}"
        try:
            return ask("POST", url, json=self._body, headers=self._headers)
        except httpx.TransportError:
            return None

    def jobs(self) -> list[str]:
        return [job_id for (job_id,) in self._cluster.rows(_JOBS, project=self.project)]


def answered(send: Callable[[int], httpx.Response | None], api: int) -> httpx.Response | None:
    """Send a request; return its answer unless the first one is still in work."""
    answer = send(api)
    if answer is not None and answer.status_code == 409:
        assert int(answer.headers["Retry-After"]) >= 1
        return None
    return answer


@pytest.mark.parametrize("victim", [0, 1])
def test_of_100_requests_at_once_and_a_killed_api_among_them_one_makes_the_job(cluster: Cluster, victim: int):
    # Given a request that is sent many times at once, to both APIs
    upload = KeyedUpload(cluster)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sent = [pool.submit(upload.send, number % 2) for number in range(AT_ONCE)]
        # When one of them is killed as soon as there is a job
        soon(upload.jobs)
        cluster.apis[victim].kill()
        answers = [answer for future in sent if (answer := future.result()) is not None]
    # And the request is sent again to the other
    last = soon(lambda: answered(upload.send, 1 - victim))
    # Then there is one job, of which every answer tells
    assert len(upload.jobs()) == 1
    assert {answer.status_code for answer in answers} <= {200, 409}
    done = [answer for answer in (*answers, last) if answer.status_code == 200]
    assert last in done
    assert {answer.json()["job_id"] for answer in done} == set(upload.jobs())
    assert last.headers["Idempotent-Replayed"] == "true"


def test_an_api_that_is_killed_before_its_answer_loses_nothing(cluster: Cluster):
    # Given an upload whose answer waits for its program
    may_end = Event()
    cluster.servers.runner.behaviour = after(may_end, runs())
    upload = KeyedUpload(cluster, "?wait=3", execute=True)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(upload.send, 0)
        soon(upload.jobs)
        # When its API is killed
        cluster.apis[0].kill()
        assert first.result() is None
    # Then the request is in work for so long as an answer could come
    assert upload.send(1).status_code == 409
    # And is answered by the other API then, from the job that there is, always alike
    answer = soon(lambda: answered(upload.send, 1))
    assert answer.status_code == 200
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert [answer.json()["job_id"]] == upload.jobs()
    may_end.set()
    assert outcomes(cluster, upload.jobs()) == {upload.jobs()[0]: ("SUCCESS", None)}
    assert upload.send(1).content == answer.content
