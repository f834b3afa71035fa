import json

import pytest

from application.errors import NotFound
from application.use_cases.complete_execution import MessageKey
from domain.errors import InvalidValue
from domain.execution import ExecutionResult, Output
from domain.job_lifecycle import JobStatus, Reason
from domain.values import ExecutionId
from tests.support.callers import ANONYMOUS
from tests.support.scripted_engine import take_over

SUCCESS = ExecutionResult(status=JobStatus.SUCCESS, stdout=Output.of("done"))
FAILURE = ExecutionResult.failed(Reason.NONZERO_EXIT, "exit code 1")


def test_the_first_result_counts_and_the_second_changes_nothing(service):
    job = service.start()
    execution = service.claim()

    assert service.complete_execution(execution.id, SUCCESS) is True
    assert service.complete_execution(execution.id, FAILURE) is False

    assert service.job(job.job_id).status is JobStatus.SUCCESS
    assert service.announced().count("JobCompleted") == 1


def test_a_result_of_a_replaced_execution_is_ignored(service):
    # Given a worker that was lost before the start, and an execution in the place of its own
    job = service.start()
    lost = service.claim()
    service.pass_time(31)

    assert service.complete_execution(lost.id, SUCCESS) is False

    running = service.job(job.job_id)
    assert running.status is JobStatus.RUNNING
    assert running.execution.number == 2


def test_a_result_after_the_job_failed_for_the_loss_of_its_worker_is_ignored(service):
    job = service.start()
    lost = service.claim()
    service.unit_of_work.run(lambda transaction: transaction.executions.mark_started(lost.id, "worker-1"))
    service.pass_time(31)

    assert service.complete_execution(lost.id, SUCCESS) is False

    assert service.job(job.job_id).reason is Reason.WORKER_LOST
    assert service.job(job.job_id).execution.result.stdout.text == ""


def test_a_job_that_is_no_longer_as_it_was_claimed_is_read_again(service):
    # Given a worker that knows its job as it was before it was cancelled
    started = service.start()
    execution = service.claim()
    claimed = service.unit_of_work.read(
        lambda transaction: transaction.jobs.get_of_any_tenant(started.job_id)
    )
    service.cancel_job(ANONYMOUS, started.job_id)

    assert service.complete_execution(execution.id, SUCCESS, claimed=claimed) is False

    cancelled = service.job(started.job_id)
    assert cancelled.status is JobStatus.CANCELLED
    assert cancelled.execution.result.stdout.text == "done"


def test_an_unknown_execution_is_not_found(service):
    with pytest.raises(NotFound):
        service.complete_execution(ExecutionId(service.ids.new()), SUCCESS)


def report_of(job, **fields) -> bytes:
    return json.dumps({"job_id": str(job.job_id), **fields}).encode()


@pytest.fixture
def delegated(service):
    """An execution that the engine has taken over, and its job."""
    service.engine.program = take_over
    job = service.start()
    service.run_execution()
    return service.job(job.job_id)


def test_a_report_delivered_twice_is_acted_on_once(service, delegated):
    message = MessageKey("runner", "message-1")

    assert service.report_completion(
        delegated.execution.id, report_of(delegated, stdout="hi", exit_code=0), message
    )
    assert not service.report_completion(
        delegated.execution.id, report_of(delegated, stdout="", exit_code=1), message
    )

    ended = service.job(delegated.job_id)
    assert ended.status is JobStatus.SUCCESS
    assert ended.execution.result.stdout.text == "hi"
    assert ended.execution.result.log_key is not None


def test_an_error_that_the_engine_reports_ends_the_job(service, delegated):
    service.report_completion(
        delegated.execution.id, report_of(delegated, error="no room"), MessageKey("runner", "1")
    )

    ended = service.job(delegated.job_id)
    assert (ended.status, ended.reason) == (JobStatus.FAILED, Reason.ENGINE_ERROR)
    assert "no room" in ended.execution.result.error_message


@pytest.mark.parametrize(
    "report", [b"", b"[]", b"{}", b'{"stdout": ""}', b'{"stdout": "", "code_key": "other/job.py"}']
)
def test_what_is_no_report_of_this_job_changes_nothing(service, delegated, report):
    with pytest.raises(InvalidValue):
        service.report_completion(delegated.execution.id, report, MessageKey("runner", "1"))

    assert service.job(delegated.job_id).status is JobStatus.RUNNING
    assert service.report_completion(
        delegated.execution.id, report_of(delegated, stdout=""), MessageKey("runner", "1")
    )


def test_a_late_report_leaves_the_log_as_it_is(service, delegated):
    service.report_completion(
        delegated.execution.id, report_of(delegated, stdout="good"), MessageKey("runner", "1")
    )
    log_key = service.job_reader.status(ANONYMOUS, delegated.job_id).log_key.value
    log = service.read_log(ANONYMOUS, log_key)

    service.report_completion(
        delegated.execution.id, report_of(delegated, stdout="evil"), MessageKey("runner", "2")
    )

    assert service.read_log(ANONYMOUS, log_key) == log


def test_an_engine_may_count_its_messages_for_each_execution(service, delegated):
    other = service.start()
    service.run_execution()
    other_execution = service.job(other.job_id).execution.id

    assert service.report_completion(
        delegated.execution.id, report_of(delegated, stdout=""), MessageKey("runner", "1")
    )
    assert service.report_completion(other_execution, report_of(other, stdout=""), MessageKey("runner", "1"))
