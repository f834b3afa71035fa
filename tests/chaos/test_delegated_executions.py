import pytest

from tests.chaos.jobs import ask, attempts, outcomes, soon, status, submit
from tests.chaos.reports import report
from tests.support.cluster import LOG_BUCKET
from tests.support.runner import replies


@pytest.fixture
def delegated(cluster):
    """A job whose execution an engine has taken over, and that execution's id."""
    cluster.servers.runner.behaviour = replies(202, "")
    job_id = submit(cluster.urls[0])
    soon(lambda: (attempts(cluster, job_id)[0]["claimed_by"] or "").startswith("engine:"))
    return job_id, attempts(cluster, job_id)[0]["execution_id"]


def test_an_engine_that_took_the_work_reports_its_end_and_may_say_so_twice(cluster, audit_log, delegated):
    # Given an execution that an engine has taken over
    job_id, execution_id = delegated
    # When it reports the end to both APIs, with one message, and then with another
    answers = [
        report(url, execution_id, message_id, stdout="done\n", exit_code=0)
        for message_id, url in (("m-1", cluster.urls[0]), ("m-1", cluster.urls[1]), ("m-2", cluster.urls[1]))
    ]
    # Then the first report counts, and the others change nothing
    assert [answer.json()["counted"] for answer in answers] == [True, False, False]
    assert outcomes(cluster, [job_id])[job_id] == ("SUCCESS", None)
    assert audit_log.violations([job_id]) == []
    log_key = attempts(cluster, job_id)[-1]["log_key"]
    assert b"done" in cluster.servers.store.objects[f"/{LOG_BUCKET}/{log_key}"]


def test_a_report_that_comes_after_the_job_was_cancelled_changes_nothing(cluster, audit_log, delegated):
    # Given an execution whose job was cancelled
    job_id, execution_id = delegated
    assert ask("POST", f"{cluster.urls[0]}/api/cancel/{job_id}").status_code == 200
    # When its engine reports success
    answer = report(cluster.urls[1], execution_id, "late", stdout="done\n", exit_code=0)
    # Then the job stays as it is
    assert answer.json()["counted"] is False
    assert status(cluster, job_id) == "CANCELLED"
    assert audit_log.violations([job_id]) == []


def test_an_engine_may_be_slower_than_a_workers_lease(cluster, audit_log, delegated):
    # Given an execution that an engine has taken over, and its worker dead
    job_id, execution_id = delegated
    for worker in cluster.workers:
        worker.kill()
    cluster.heal()
    # When the lease of a worker would have run out
    later = submit(cluster.urls[0])
    soon(lambda: attempts(cluster, later)[-1]["claimed_by"])
    # Then the engine's claim still stands
    assert status(cluster, job_id) == "RUNNING"
    assert report(cluster.urls[0], execution_id, "slow", exit_code=3).json()["counted"] is True
    assert outcomes(cluster, [job_id])[job_id] == ("FAILED", "nonzero_exit")
    assert ask("POST", f"{cluster.urls[0]}/api/cancel/{later}").status_code == 200
    assert audit_log.violations([job_id]) == []
