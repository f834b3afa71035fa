import pytest

from application.errors import NotFound
from application.use_cases.complete_execution import Receipt
from domain.execution import ExecutionResult, Output
from domain.job_lifecycle import JobStatus, Reason
from domain.values import ExecutionId
from tests.support.scripted_engine import take_over

SUCCESS = ExecutionResult(status=JobStatus.SUCCESS, stdout=Output.of("done"))
FAILURE = ExecutionResult.failed(Reason.NONZERO_EXIT, "exit code 1")


def test_the_first_result_counts_and_the_second_changes_nothing(world):
    job = world.start()
    execution = world.claim()

    assert world.complete_execution(execution.id, SUCCESS) is True
    assert world.complete_execution(execution.id, FAILURE) is False

    assert world.job(job.job_id).status is JobStatus.SUCCESS
    assert world.announced().count("JobCompleted") == 1


def test_a_result_of_a_replaced_execution_is_ignored(world):
    # Given a worker that was lost before the start, and an execution in the place of its own
    job = world.start()
    lost = world.claim()
    world.clock.advance(31)
    world.rescue_executions()

    assert world.complete_execution(lost.id, SUCCESS) is False

    running = world.job(job.job_id)
    assert running.status is JobStatus.RUNNING
    assert running.execution.number == 2


def test_a_result_after_the_job_failed_for_the_loss_of_its_worker_is_ignored(world):
    job = world.start()
    lost = world.claim()
    world.unit_of_work.run(lambda transaction: transaction.executions.acknowledge(lost.id, "worker-1"))
    world.clock.advance(31)
    world.rescue_executions()

    assert world.complete_execution(lost.id, SUCCESS) is False

    assert world.job(job.job_id).reason is Reason.WORKER_LOST
    assert world.job(job.job_id).execution.result.stdout.text == ""


def test_an_unknown_execution_is_not_found(world):
    with pytest.raises(NotFound):
        world.complete_execution(ExecutionId(world.ids.new()), SUCCESS)


def test_a_report_delivered_twice_is_acted_on_once(world):
    world.engine.program = take_over
    job = world.start()
    world.run_execution()
    execution_id = world.job(job.job_id).execution.id
    receipt = Receipt("runner", "message-1")

    assert world.report_completion(execution_id, SUCCESS, receipt) is True
    assert world.report_completion(execution_id, FAILURE, receipt) is False

    ended = world.job(job.job_id)
    assert ended.status is JobStatus.SUCCESS
    assert ended.execution.result.log_key is not None
