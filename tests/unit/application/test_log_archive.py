import json

import pytest

from application.errors import StorageUnavailable
from application.use_cases.complete_execution import MessageKey
from tests.support.callers import ANONYMOUS
from tests.support.scripted_engine import take_over


@pytest.fixture
def delegated(service):
    """An execution that an engine has taken over, and its job."""
    service.engine.program = take_over
    job = service.start()
    service.run_execution()
    return service.job(job.job_id)


def report(service, job, stdout, message_id):
    body = {"job_id": str(job.job_id), "stdout": stdout, "exit_code": 0}
    return service.report_completion(
        job.execution.id, json.dumps(body).encode(), MessageKey("runner", message_id)
    )


def overtake(service, job, *, before, message_id):
    """Have another report come, whole, while the first one's log is being stored."""
    put = service.log_store.put

    def put_late(*log):
        service.log_store.put = put
        if not before:
            put(*log)
        assert report(service, job, "winner", message_id)
        if before:
            put(*log)

    service.log_store.put = put_late


@pytest.mark.parametrize("message_id", ["1", "2"], ids=["of the same message", "of another message"])
@pytest.mark.parametrize("before", [True, False], ids=["before its log", "after its log"])
def test_of_reports_that_overtake_each_other_the_job_has_the_log_of_the_one_that_counts(
    service, delegated, before, message_id
):
    # Given a report that comes while another one's log is being stored
    overtake(service, delegated, before=before, message_id=message_id)
    # When that other one is completed too
    assert not report(service, delegated, "loser", "1")
    # Then the job has the result and the log of the one that was first
    ended = service.job(delegated.job_id).execution.result
    assert ended.stdout.text == "winner"
    assert json.loads(service.read_log(ANONYMOUS, ended.log_key.value))["stdout"] == "winner"


def test_the_same_report_twice_makes_one_log(service, delegated):
    assert report(service, delegated, "once", "1")
    kept = dict(service.log_store.objects)

    report(service, delegated, "once", "1")

    assert service.log_store.objects == kept
    assert len(kept) == 1


def test_a_log_that_was_stored_although_its_answer_was_lost_is_taken_for_stored(service):
    # Given a store that stores and then fails to say so, once
    job = service.start()
    put = service.log_store.put

    def put_in_silence(*log):
        service.log_store.put = put
        put(*log)
        raise StorageUnavailable("its answer was lost")

    service.log_store.put = put_in_silence
    # When the job runs, then it has its log
    service.run_execution()
    log_key = service.job_reader.status(ANONYMOUS, job.job_id).log_key
    assert json.loads(service.read_log(ANONYMOUS, log_key.value))["job_id"] == str(job.job_id)
