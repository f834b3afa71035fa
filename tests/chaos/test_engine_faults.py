from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.jobs import Outcome, ask, attempts, outcomes, soon, submit
from tests.chaos.reports import report
from tests.support.processes import memory_kb
from tests.support.runner import Behaviour, Exchange, drip, hang, pours, replies, runs

SHORT_MS, LONG_MS = 1_000, 60_000
TIMED_OUT = ("TIMEOUT", "wall_time_limit")
BROKEN = ("FAILED", "engine_error")
TOO_LARGE = ("FAILED", "output_limit")
TWO_GB_IN_MIB = 2_048
WAITING = 60
# As many at once as the two workers have threads.
AT_ONCE = 16
# What a worker reads of a single answer at most.
ONE_ANSWER_KB = 32 << 10

# What the engine does for the jobs of a project, and how they end.
FAULTS: dict[str, tuple[Behaviour, Outcome]] = {
    "silence": (hang, TIMED_OUT),
    "one byte a second": (drip(b'{"stdout": "hello", "exit_code": 0}', every_s=1), TIMED_OUT),
    "an error": (replies(500, "no memory"), BROKEN),
    "garbage": (replies(200, b"\x1f\x8b\x08\0garbage"), BROKEN),
    "another job": (runs(job_id="01890a5d-ac96-774b-bcce-b302099a8057"), BROKEN),
    "no fault": (runs(), ("SUCCESS", None)),
}


async def by_project(exchange: Exchange) -> None:
    """Behave as the job's project is named."""
    behave, _outcome = FAULTS[exchange.params["code_key"].split("/")[0]]
    await behave(exchange)


def test_whatever_an_engine_does_its_jobs_end_by_the_contract_and_late_reports_change_nothing(
    cluster, audit_log
):
    # Given an engine that fails in every way
    cluster.servers.runner.behaviour = by_project
    # When it is sent jobs
    limits = {fault: SHORT_MS if outcome == TIMED_OUT else LONG_MS for fault, (_, outcome) in FAULTS.items()}
    jobs = {submit(cluster.urls[0], project=fault, timeout_ms=limits[fault]): fault for fault in FAULTS}
    # Then each ends as the contract says, and for one execution
    ended = outcomes(cluster, jobs)
    assert {jobs[job_id]: outcome for job_id, outcome in ended.items()} == {
        fault: outcome for fault, (_behaviour, outcome) in FAULTS.items()
    }
    executions = {job_id: attempts(cluster, job_id) for job_id in jobs}
    assert {len(of_job) for of_job in executions.values()} == {1}
    # And when the engine reports each of them late, and the one that it answered for a second time
    answers = [
        report(cluster.urls[1], of_job[0]["execution_id"], f"late-{job_id}", stdout="late\n", exit_code=0)
        for job_id, of_job in executions.items()
    ]
    # Then nothing changes
    assert [answer.json()["counted"] for answer in answers] == [False] * len(jobs)
    assert outcomes(cluster, jobs, within_s=0) == ended
    assert {job_id: attempts(cluster, job_id) for job_id in jobs} == executions
    assert audit_log.violations(jobs) == []


@contextmanager
def refused(cluster):
    """Nothing listens where the runners were."""
    with cluster.servers.runner.away():
        yield


@contextmanager
def full(cluster):
    """The runner of Python has no room, and asks to be left alone for a second."""
    runner, ran = cluster.servers.runner, cluster.servers.runner.behaviour
    busy = replies(429, "busy", Retry_After="1")

    async def behave(exchange: Exchange) -> None:
        await (busy if exchange.language == "python" else ran)(exchange)

    runner.behaviour = behave
    yield
    runner.behaviour = ran


@pytest.mark.parametrize("outage", [refused, full])
def test_an_engine_that_is_away_for_a_while_costs_no_job_and_no_attempt(cluster, audit_log, outage):
    # Given a runner that counts what it runs
    runner, runs_of = cluster.servers.runner, Counter()
    answer = runs()

    async def count(exchange: Exchange) -> None:
        runs_of[exchange.params["job_id"]] += 1
        await answer(exchange)

    runner.behaviour = count
    outcomes(cluster, [submit(cluster.urls[0]) for _ in range(AT_ONCE)])  # connections to it are open
    # When it cannot start anything, and jobs come that allow one attempt
    with outage(cluster):
        jobs = [submit(cluster.urls[number % 2], max_attempts=1) for number in range(WAITING)]
        # Then all of them say that they wait for it, and none has ended
        soon(lambda: len(deferred(cluster, jobs)) == WAITING)
        assert {state for state, _reason in outcomes(cluster, jobs, within_s=0).values()} == {"RUNNING"}
        told = ask("GET", f"{cluster.urls[0]}/api/jobs/{jobs[-1]}/timeline").json()
        assert told["waiting"]["awaited"] == "engine"
        if outage is full:  # And another language's runner is not waited for
            other = submit(cluster.urls[0], language="node")
            assert outcomes(cluster, [other]) == {other: ("SUCCESS", None)}
    # And when it is back, each of them runs once, in its first attempt
    assert set(outcomes(cluster, jobs).values()) == {("SUCCESS", None)}
    assert {runs_of[job_id] for job_id in jobs} == {1}
    assert {len(attempts(cluster, job_id)) for job_id in jobs} == {1}
    assert audit_log.violations(jobs) == []


def deferred(cluster, job_ids):
    """Return the jobs that wait for an engine which could not start them."""
    found = cluster.rows(
        "SELECT job_id FROM executions WHERE deferred_since IS NOT NULL AND state = 'WAITING'"
    )
    return {row[0] for row in found} & set(job_ids)


@pytest.fixture
def warm_workers(cluster):
    """Workers whose every thread has run a program, and how much memory each has in use."""
    outcomes(cluster, [submit(url) for url in cluster.urls for _ in range(AT_ONCE)])
    for worker in cluster.workers:
        # Has the kernel count the most that is in use anew (proc(5)).
        Path(f"/proc/{worker.pid}/clear_refs").write_text("5")
    return {worker.pid: memory_kb(worker.pid) for worker in cluster.workers}


def test_answers_of_2_gb_end_as_too_large_and_leave_a_worker_as_small_as_it_was(
    cluster, audit_log, warm_workers
):
    # Given an engine that answers with 2 GB
    runner = cluster.servers.runner
    runner.behaviour, runner.poured_mib = pours(TWO_GB_IN_MIB), 0
    # When every thread of every worker is sent such an answer at once
    jobs = [submit(url) for url in cluster.urls for _ in range(AT_ONCE // 2)]
    ended = outcomes(cluster, jobs)
    # Then each of the jobs is told what was the matter
    assert set(ended.values()) == {TOO_LARGE}
    assert audit_log.violations(jobs) == []
    # And little of it was read, and still less kept
    assert runner.poured_mib < AT_ONCE * 64
    grown = {pid: memory_kb(pid, "VmHWM") - before for pid, before in warm_workers.items()}
    assert max(grown.values()) < ONE_ANSWER_KB, grown
