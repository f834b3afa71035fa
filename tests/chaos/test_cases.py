"""Cases while workers and APIs are killed: every case has one result, and it is the right one."""

import random
import time
from threading import Event

import httpx
import pytest

from tests.chaos.conftest import QUICK
from tests.chaos.jobs import ask, outcomes, soon
from tests.support.cluster import Cluster
from tests.support.processes import pause
from tests.support.sandbox import require_bubblewrap

# `make soak` runs fifty times as many jobs, of twice as many cases: 10,000 cases.
JOBS, CASES = 4, 25
RESULTS = "SELECT job_id, case_index, verdict FROM case_results"
# One in five is wrong, so that a result in another's place shows.
WRONG_EACH = 5
_PROGRAM = 'read -r n; echo "$((n * 2))"'
_REDIS_DATABASE = 7


@pytest.fixture(scope="module")
def own_cluster(servers, tmp_path_factory):
    """Two APIs and two workers that run programs themselves, in sandboxes."""
    require_bubblewrap()
    directory = tmp_path_factory.mktemp("cases")
    settings = {**QUICK, "EXECUTION_ENGINE_BASE_URL": "", "SERVICE_SERVER_WORKER_THREADS": "2"}
    with Cluster(directory, servers, _REDIS_DATABASE, **settings) as cluster:
        cluster.start(apis=2, workers=2)
        yield cluster


def _cases(job: int, number: int) -> list[dict]:
    return [
        {"name": f"{n}", "stdin": f"{job + n}\n", "expected_stdout": _expected(job, n)} for n in range(number)
    ]


def _expected(job: int, n: int) -> str:
    return "another\n" if n % WRONG_EACH == 0 else f"{2 * (job + n)}\n"


def _submit(cluster: Cluster, job: int, cases: int) -> str:
    body = {
        "project": "cases",
        "language": "bash",
        "code": _PROGRAM,
        "execute": True,
        "cases": _cases(job, cases),
    }
    key = {"Idempotency-Key": f"cases-{job}"}

    def submitted() -> str | None:
        try:
            answer = ask("POST", f"{random.choice(cluster.urls)}/api/upload", json=body, headers=key)
        except httpx.TransportError:
            return None
        return str(answer.json()["job_id"]) if answer.status_code == 200 else None

    return soon(submitted)


@pytest.mark.timeout(1_800)
def test_no_result_is_lost_or_doubled_whatever_dies(own_cluster, soak):
    # Given jobs with cases
    cluster = own_cluster
    jobs, cases = JOBS * soak, CASES if soak == 1 else 2 * CASES
    job_ids = [_submit(cluster, job, cases) for job in range(jobs)]
    # When workers and APIs are killed as long as the cases run
    kills = 0
    while not _all_ended(cluster):
        Event().wait(random.uniform(0.1, 0.6))
        random.choice((*cluster.workers, *cluster.workers, *cluster.apis)).kill()
        kills += 1
        cluster.heal()
    # Then every job has ended, and each of its cases has the one result that it should have
    ended = outcomes(cluster, job_ids, within_s=300)
    assert set(ended.values()) == {("FAILED", "cases_failed")}
    found: dict[str, dict[int, str]] = {job_id: {} for job_id in job_ids}
    for job_id, index, verdict in cluster.rows(RESULTS):
        assert index not in found[job_id]
        found[job_id][index] = verdict
    right = {n: "accepted" if n % WRONG_EACH else "wrong_answer" for n in range(cases)}
    assert [job_id for job_id in job_ids if found[job_id] != right] == []
    # And nothing is left to run
    assert cluster.rows("SELECT COUNT(*) FROM case_ranges") == [(0,)]
    assert kills > 0


def test_the_cases_of_a_job_are_run_by_several_workers(own_cluster):
    # Given a job whose cases take a moment
    cluster = own_cluster
    cluster.heal()
    body = {
        "project": "spread",
        "language": "bash",
        "code": "read -r n; sleep 0.2; echo $n",
        "execute": True,
        "cases": [{"stdin": f"{n}\n", "expected_stdout": f"{n}\n"} for n in range(60)],
    }
    begin = time.monotonic()
    job_id = ask("POST", f"{cluster.urls[0]}/api/upload", json=body).json()["job_id"]
    # When it runs
    most = 0
    while outcomes(cluster, [job_id], within_s=0)[job_id][0] == "RUNNING":
        claimed = cluster.rows("SELECT COUNT(*) FROM case_ranges WHERE leased_at IS NOT NULL")
        most = max(most, claimed[0][0])
        waited_s = time.monotonic() - begin
        assert waited_s < 120
        pause(waited_s)
    # Then more threads have run them than one worker has
    assert outcomes(cluster, [job_id])[job_id] == ("SUCCESS", None)
    assert most > 2


def _all_ended(cluster: Cluster) -> bool:
    return cluster.rows("SELECT COUNT(*) FROM jobs WHERE status = 'RUNNING'") == [(0,)]
