import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from tests.chaos.delayed_runners import after
from tests.chaos.jobs import ask, attempts, outcomes, soon, submit
from tests.support.cluster import CODE_BUCKET, LOG_BUCKET, Cluster
from tests.support.processes import eventually
from tests.support.runner import runs

CALLERS = 16
LONGER_THAN_A_LEASE_S = 4
# On a busy machine; on any other the statements' time limit of two seconds is most of it.
LONGEST_ANSWER_S = 15
_LEASES = """SELECT 1 FROM executions
    WHERE job_id = :id AND state = 'CLAIMED' AND lease_expires_at > UTC_TIMESTAMP(6)"""
_KEPT = "SELECT COUNT(*) FROM executions WHERE state = 'CLAIMED' AND claimed_by LIKE 'log-spool:%'"
UPLOAD = {"project": "chaos", "language": "python", "code": "print(1)"}


@pytest.mark.parametrize("way", ["killed", "frozen"])
def test_jobs_are_taken_without_redis_and_run_when_it_is_back(cluster, audit_log, way):
    # Given no Redis, or one that answers nothing
    redis = cluster.servers.redis
    if way == "killed":
        redis.kill()
        jobs = _submit_to_all(cluster.urls)
        redis.start()
    else:
        with redis.frozen():
            jobs = _submit_to_all(cluster.urls)
    # Then all that was submitted meanwhile was taken, and runs
    assert set(outcomes(cluster, jobs).values()) == {("SUCCESS", None)}
    assert audit_log.violations(jobs) == []


def _submit_to_all(urls: list[str]) -> list[str]:
    """Submit jobs to every API, each of which reports a missing dependency and accepts work nevertheless."""
    jobs = [submit(url) for url in urls for _ in range(10)]
    for url in urls:
        soon(lambda url=url: ask("GET", f"{url}/health/ready").json()["status"] == "degraded")
        assert ask("GET", f"{url}/health/ready").status_code == 200
    return jobs


@pytest.mark.parametrize("way", ["killed", "frozen"])
def test_without_the_database_the_answer_is_503_and_it_recovers_by_itself(cluster, way):
    # Given a database that is gone, or answers nothing
    job_id = submit(cluster.urls[0])
    outcomes(cluster, [job_id])
    database = cluster.servers.database
    if way == "killed":
        database.kill()
    else:
        os.kill(database.pid, signal.SIGSTOP)
    # When many ask
    with ThreadPoolExecutor(CALLERS) as callers:
        answers = list(callers.map(lambda number: _ask(cluster.urls[number % 2], job_id, number), range(64)))
    health = ask("GET", f"{cluster.urls[0]}/api/health")
    # Then each is told to come again before a caller's patience ends, and that the process itself is well
    assert {code for code, _retry_after, _took_s in answers} == {503}
    assert all(retry_after.isdecimal() for _code, retry_after, _took_s in answers)
    assert max(took_s for _code, _retry_after, took_s in answers) < LONGEST_ANSWER_S
    assert health.status_code == 200
    # And when it is back, so is the service
    database.revive()
    soon(lambda: all(_ask(url, job_id, number)[0] == 200 for url in cluster.urls for number in (0, 1)))
    assert outcomes(cluster, [job := submit(cluster.urls[0])])[job] == ("SUCCESS", None)


@pytest.mark.parametrize("way", ["frozen", "read-only"])
def test_a_database_that_is_away_for_longer_than_a_lease_costs_no_program_that_runs(cluster, audit_log, way):
    # Given programs that may be started once
    end = Event()
    runner = cluster.servers.runner
    runner.requests.clear()
    runner.behaviour = after(end, runs())
    jobs = [submit(cluster.urls[0]) for _ in range(8)]
    soon(lambda: len(runner.asked("/run")) == len(jobs))
    # When the database answers nothing, or only what is read, for longer than their workers have leases
    database = cluster.servers.database
    if way == "frozen":
        os.kill(database.pid, signal.SIGSTOP)
        time.sleep(LONGER_THAN_A_LEASE_S)
        database.revive()
    else:
        with database.read_only():
            time.sleep(2 * LONGER_THAN_A_LEASE_S)
    # Then the workers have the time to renew them, and the programs end as if nothing had been
    soon(lambda: all(cluster.rows(_LEASES, id=job_id) for job_id in jobs))
    end.set()
    assert set(outcomes(cluster, jobs).values()) == {("SUCCESS", None)}
    assert len(runner.asked("/run")) == len(jobs)
    assert audit_log.violations(jobs) == []


def test_results_that_a_database_does_not_take_outlive_their_workers(cluster, audit_log):
    # Given programs that may be started once
    end = Event()
    runner = cluster.servers.runner
    runner.requests.clear()
    runner.behaviour = after(end, runs())
    before = _results_kept(cluster)
    jobs = [submit(cluster.urls[0], max_attempts=1) for _ in range(8)]
    soon(lambda: len(runner.asked("/run")) == len(jobs))
    # When they end while the database only reads, and their workers are told to end as well
    with cluster.servers.database.read_only():
        end.set()
        soon(lambda: _results_kept(cluster) == before + len(jobs))
        for worker in cluster.workers:
            worker.terminate()
        for worker in cluster.workers:
            worker.wait()
            worker.start()
    # Then their results count once it takes writes
    assert set(outcomes(cluster, jobs).values()) == {("SUCCESS", None)}
    assert len(runner.asked("/run")) == len(jobs)
    assert audit_log.violations(jobs) == []


def _results_kept(cluster: Cluster) -> int:
    return sum(worker.output.count("is kept on disk") for worker in cluster.workers)


def _ask(url: str, job_id: str, number: int) -> tuple[int, str, float]:
    method, path, body = (
        ("GET", f"/api/status/{job_id}", None),
        ("POST", "/api/upload", UPLOAD),
        ("GET", "/api/jobs", None),
        ("POST", f"/api/cancel/{job_id}", None),
    )[number % 4]
    begin = time.monotonic()
    answer = ask(method, url + path, json=body)
    return answer.status_code, answer.headers.get("Retry-After", ""), time.monotonic() - begin


def test_results_whose_logs_cannot_be_stored_outlive_the_outage_and_their_workers(cluster, audit_log):
    # Given a store that answers, and takes no logs
    store, runner = cluster.servers.store, cluster.servers.runner
    store.failing = (f"/{LOG_BUCKET}/",)
    runner.requests.clear()
    # When programs end, more of them than there are threads, which may be started once
    jobs = [submit(cluster.urls[0]) for _ in range(24)]
    soon(lambda: cluster.rows(_KEPT) == [(len(jobs),)])
    # Then it is said that their logs wait, and they do so for longer than a lease, without their workers
    soon(lambda: _unhealthy_parts(cluster.urls[0]) == ["log store"])
    for worker in cluster.workers:
        worker.kill()
    time.sleep(LONGER_THAN_A_LEASE_S)
    for worker in cluster.workers:
        worker.start()
    # And when the store takes them, the jobs end as their programs did, which ran once
    store.failing = ()
    assert set(outcomes(cluster, jobs).values()) == {("SUCCESS", None)}
    logs = [attempts(cluster, job_id)[-1]["log_key"] for job_id in jobs]
    assert {f"/{LOG_BUCKET}/{key}" for key in logs} <= store.objects.keys()
    assert len(runner.asked("/run")) == len(jobs)
    assert audit_log.violations(jobs) == []
    soon(lambda: _unhealthy_parts(cluster.urls[0]) == [])


def _unhealthy_parts(url: str) -> list[str]:
    health = ask("GET", f"{url}/health/ready").json()
    names = [part["name"] for part in health["dependencies"] if not part["healthy"]]
    assert health["status"] == ("degraded" if names else "ready")
    return names


def test_a_log_is_stored_when_the_store_comes_back_in_time(cluster):
    # Given a store that takes no logs for a moment
    store = cluster.servers.store
    store.failing = (f"/{LOG_BUCKET}/",)
    store.failures = 0
    job_id = submit(cluster.urls[0])
    assert eventually(lambda: store.failures > 0)
    # When it takes them again
    store.failing = ()
    # Then the job has its log
    assert outcomes(cluster, [job_id])[job_id] == ("SUCCESS", None)
    assert f"/{LOG_BUCKET}/{attempts(cluster, job_id)[-1]['log_key']}" in store.objects


def test_without_the_store_uploads_are_refused_and_leave_no_job(cluster):
    # Given a store that takes no code
    cluster.servers.store.failing = (f"/{CODE_BUCKET}/",)
    before = cluster.rows("SELECT COUNT(*) FROM jobs")
    # When code is uploaded
    answer = ask("POST", f"{cluster.urls[0]}/api/upload", json=UPLOAD)
    # Then it is said so, and nothing is left of it
    assert answer.status_code == 503
    assert answer.headers["Retry-After"].isdecimal()
    assert cluster.rows("SELECT COUNT(*) FROM jobs") == before
