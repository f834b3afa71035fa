"""Quotas under concurrency: two processes count the same rows, and one of them is killed."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from threading import Event
from time import monotonic

import httpx
import pytest

from tests.chaos.jobs import ask, soon
from tests.support.cluster import Cluster
from tests.support.no_tls import NO_TLS

CALLERS = 16
WAITING = 30
PER_S = 20
UPLOADS = 150
JOB = {"project": "chaos", "language": "python", "code": "print(1)"}


@pytest.fixture(scope="module")
def limited(servers, tmp_path_factory):
    """Two APIs without a worker, for a tenant with quotas."""
    with Cluster(tmp_path_factory.mktemp("quotas"), servers, redis_database=4) as cluster:
        cluster.run("tenants", "quota", "default", f"uploads_per_day={UPLOADS}", f"waiting={WAITING}")
        cluster.start(apis=2, workers=0)
        yield cluster


def upload_until_refused(cluster: Cluster, first: int, job: dict[str, object]) -> Counter[str]:
    """Upload to the APIs in turn until one refuses; return how often each answer came."""
    answers: Counter[str] = Counter()
    urls = islice(cycle(cluster.urls), first, None)
    with httpx.Client(verify=NO_TLS, timeout=60) as http:
        while "quota" not in answers:
            try:
                answer = http.post(f"{next(urls)}/api/upload", json=job)
            except httpx.TransportError:  # that process has been killed
                answers["lost"] += 1
                continue
            if answer.status_code == 503:  # on a busy machine, callers wait for each other's locks in vain
                continue
            refused = answer.status_code == 429
            assert refused or answer.status_code == 200, answer.text
            answers["quota" if refused else "done"] += 1
            answers[answer.json().get("quota", "-")] += 1
    return answers


def all_at_once(cluster: Cluster, **more: object) -> Counter[str]:
    with ThreadPoolExecutor(CALLERS) as callers:
        job = {**JOB, **more}
        each = callers.map(lambda first: upload_until_refused(cluster, first, job), range(CALLERS))
        return sum(each, Counter())


def jobs(cluster: Cluster) -> int:
    return int(cluster.rows("SELECT COUNT(*) FROM jobs")[0][0])


def test_no_quota_is_exceeded_by_callers_at_once_nor_after_a_kill(limited: Cluster):
    # When many callers have jobs executed at two processes, until the quota of waiting ones is used up
    answers = all_at_once(limited, execute=True)
    # Then as many wait as may, and not one more
    assert answers["waiting"] == CALLERS
    assert answers["done"] == jobs(limited) == WAITING
    assert limited.rows("SELECT COUNT(*) FROM executions WHERE state = 'WAITING'") == [(WAITING,)]
    # And each that is cancelled makes room for one
    for (job_id,) in limited.rows("SELECT job_id FROM jobs LIMIT 5"):
        assert ask("POST", f"{limited.urls[0]}/api/cancel/{job_id}").status_code == 200
    assert all_at_once(limited, execute=True)["done"] == 5
    # When one process is killed among uploads that use the day's quota up
    is_over = Event()

    def kill_amid() -> None:
        soon(lambda: jobs(limited) >= UPLOADS * 2 // 3 or is_over.is_set())
        limited.apis[1].kill()

    with ThreadPoolExecutor(1) as killer:
        killed = killer.submit(kill_amid)
        answers = all_at_once(limited)
        is_over.set()
        killed.result()
    # Then there are as many as may be, whether or not their callers have heard of them
    assert answers["lost"]
    assert jobs(limited) == UPLOADS
    # And the process that comes back goes by the same rows
    limited.heal()
    refused = ask("POST", f"{limited.urls[1]}/api/upload", json=JOB)
    assert refused.status_code == 429
    assert (refused.json()["used"], refused.json()["allowed"]) == (UPLOADS, UPLOADS)


def test_requests_a_second_are_counted_for_all_processes_and_for_each_without_redis(limited: Cluster):
    # Given a limit that is in force at both processes
    limited.heal()
    limited.run("tenants", "quota", "default", f"requests_per_s={PER_S}")
    urls = [f"{url}/api/projects" for url in limited.urls]
    for url in urls:
        soon(lambda url=url: f"q={PER_S};" in ask("GET", url).headers.get("ratelimit-policy", ""))
    # When callers ask both for a time
    statuses, took_s = ask_for_a_second(urls)
    # Then together they are answered as often as the limit allows, which is a second's requests in advance
    assert statuses.keys() == {200, 429}
    assert PER_S // 2 <= statuses[200] <= PER_S * (took_s + 1) + 1
    # And without Redis each process limits the requests that it gets
    limited.servers.redis.kill()
    statuses, took_s = ask_for_a_second(urls)
    assert statuses.keys() == {200, 429}
    assert statuses[200] <= 2 * (PER_S * (took_s + 1) + 1)
    assert any(
        "request rates are limited per process, not across processes" in api.output for api in limited.apis
    )


def ask_for_a_second(urls: list[str]) -> tuple[Counter[int], float]:
    """Ask addresses in turn from many threads, for a second and until one is refused.

    Returns:
        How often each status came, and the time it took.
    """
    begin = monotonic()
    is_refused = Event()

    def ask_on(first: int) -> Counter[int]:
        statuses: Counter[int] = Counter()
        with httpx.Client(verify=NO_TLS, timeout=60) as http:
            for url in islice(cycle(urls), first, None):
                statuses[status := http.get(url).status_code] += 1
                if status == 429:
                    is_refused.set()
                if monotonic() - begin > 1 and is_refused.is_set():
                    return statuses
        return statuses

    with ThreadPoolExecutor(CALLERS) as callers:
        statuses = sum(callers.map(ask_on, range(CALLERS)), Counter())
    return statuses, monotonic() - begin
