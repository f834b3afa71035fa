import base64
import io
import json
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import pytest

from application.errors import DependencyUnavailable, StorageUnavailable
from application.ports.execution_engine import EngineReport
from application.ports.output_feed import OutputChunk, Stream
from application.use_cases.check_log_store import CheckLogStore
from application.use_cases.complete_execution import MessageKey
from domain.execution import ExecutionResult, Note, Output
from domain.job_lifecycle import JobStatus, Phase, Reason
from tests.support.failing import Failing
from tests.support.in_memory_service import KEPT_S, LEASE_S, InMemoryService
from tests.support.scripted_engine import cancelled_report, echo, take_over


def log_of(world, job_id):
    key = world.get_job_status(job_id).log_key
    return json.loads(world.read_log(key.value))


def test_nothing_happens_when_nothing_waits(world):
    assert world.run_execution() is False
    assert world.engine.requests == []


def test_a_program_that_succeeds_ends_its_job_with_its_output_and_its_log(world):
    job = world.start(stdin="hello")

    assert world.run_execution() is True

    ended = world.job(job.job_id)
    assert ended.status is JobStatus.SUCCESS
    assert ended.execution.result.stdout == Output("hello", 5)
    assert ended.execution.started_at is not None
    assert log_of(world, job.job_id)["stdout"] == "hello"
    assert world.announced()[-1] == "JobCompleted"


def test_the_most_urgent_runs_first_and_then_the_oldest(world):
    for name, priority in (("old", 5), ("young", 5), ("urgent", 9), ("idle", 0)):
        world.start(stdin=name, priority=priority)
        world.clock.advance(1)

    while world.run_execution():
        pass

    assert [request.stdin for request in world.engine.requests] == ["urgent", "old", "young", "idle"]


def test_a_build_and_notes_are_seen_while_the_program_runs(world):
    seen = []

    def build(_request, observer):
        observer.building()
        seen.append(world.job(job.job_id))
        observer.note(Note.STDIN_NOT_PASSED)
        observer.started()
        seen.append(world.job(job.job_id))
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS, notes=(Note.USAGE_UNKNOWN,)))

    world.engine.program = build
    job = world.start()

    world.run_execution()

    ended = world.job(job.job_id)
    assert [view.phase for view in (*seen, ended)] == [Phase.BUILDING, Phase.RUNNING, Phase.ENDED]
    assert seen[1].execution.all_notes == (Note.STDIN_NOT_PASSED,)
    assert ended.execution.all_notes == (Note.STDIN_NOT_PASSED, Note.USAGE_UNKNOWN)


def test_a_program_runs_though_its_notes_cannot_be_recorded(world, monkeypatch):
    def note(_request, observer):
        with monkeypatch.context() as patched:
            patched.setattr(world.unit_of_work, "run", Failing(DependencyUnavailable("database", "away")).run)
            observer.note(Note.STDIN_NOT_PASSED)
        observer.started()
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    world.engine.program = note
    job = world.start()

    world.run_execution()

    assert world.job(job.job_id).status is JobStatus.SUCCESS


def test_a_bug_in_the_engine_ends_the_job(world, caplog):
    def explode(_request, _observer):
        raise RuntimeError("boom")

    world.engine.program = explode
    job = world.start()

    world.run_execution()

    ended = world.job(job.job_id)
    assert (ended.status, ended.reason) == (JobStatus.FAILED, Reason.INTERNAL)
    assert "boom" not in ended.execution.result.error_message
    assert "boom" in caplog.text


@pytest.fixture
def full_store(world):
    """A log store that takes nothing, until it is emptied."""
    put = world.log_store.put
    world.log_store.put = Failing(StorageUnavailable("it is full")).put
    return SimpleNamespace(empty=lambda: setattr(world.log_store, "put", put))


def test_a_result_waits_for_its_log_to_be_stored_and_its_program_is_not_run_again(world, full_store):
    job = world.start(stdin="hello")

    world.run_execution()

    assert world.slept == [1.0, 2.0]
    assert world.job(job.job_id).status is JobStatus.RUNNING
    with pytest.raises(StorageUnavailable):
        world.finish_execution.store_kept()
    world.pass_time(KEPT_S - LEASE_S)
    assert world.job(job.job_id).status is JobStatus.RUNNING
    full_store.empty()
    world.finish_execution.store_kept()
    assert world.job(job.job_id).status is JobStatus.SUCCESS
    assert log_of(world, job.job_id)["stdout"] == "hello"
    assert len(world.engine.requests) == 1
    assert world.spool.names() == []


def test_the_claims_of_results_that_wait_are_renewed(world, full_store):
    job = world.start()
    world.run_execution()
    for _ in range(2):  # together longer than the lease that it was kept with
        world.pass_time(KEPT_S / 2 + 50)
        world.spool.kept = {
            name: (replace(kept, ended_at=world.clock.now()), log)
            for name, (kept, log) in world.spool.kept.items()
        }
        with pytest.raises(StorageUnavailable):
            world.finish_execution.store_kept()

    assert world.job(job.job_id).status is JobStatus.RUNNING
    full_store.empty()
    world.finish_execution.store_kept()
    assert world.job(job.job_id).status is JobStatus.SUCCESS


@pytest.mark.usefixtures("full_store")
def test_a_result_that_has_waited_for_too_long_has_failed(world):
    job = world.start()
    world.run_execution()

    world.clock.advance(KEPT_S + 1)
    world.recover_orphans()
    world.finish_execution.store_kept()

    ended = world.job(job.job_id)
    assert (ended.status, ended.reason) == (JobStatus.FAILED, Reason.STORAGE_ERROR)
    assert ended.execution.result.log_key is None
    assert world.spool.names() == []


def test_one_log_that_the_store_never_takes_is_not_in_the_way_of_others(world, full_store):
    jobs = [world.start(stdin=name) for name in ("poison", "a", "b", "c")]
    while world.run_execution():
        pass
    full_store.empty()
    put = world.log_store.put

    def refuse_poison(key, content, content_type):
        if b"poison" in (whole := content.read()):
            raise StorageUnavailable("it answers with an error")
        return put(key, whole, content_type)

    world.log_store.put = refuse_poison
    for _ in range(100):
        with suppress(StorageUnavailable):
            world.finish_execution.store_kept()

    statuses = [world.job(job.job_id).status for job in jobs]
    assert statuses == [JobStatus.RUNNING, *[JobStatus.SUCCESS] * 3]


def test_the_result_of_a_job_that_was_cancelled_meanwhile_is_kept_with_its_execution(world, full_store):
    job = world.start(stdin="hello")
    world.run_execution()
    world.cancel_job(job.job_id)
    full_store.empty()

    world.finish_execution.store_kept()

    ended = world.job(job.job_id)
    assert ended.status is JobStatus.CANCELLED
    assert ended.execution.result.stdout.text == "hello"
    assert world.spool.names() == []


def test_no_program_is_started_whose_result_could_not_be_kept(world):
    world.start()
    world.spool.max_bytes = 0

    assert world.run_execution() is False
    assert world.engine.requests == []


def test_a_result_that_neither_store_nor_disk_takes_waits_on_its_thread(world, full_store):
    def fill_up(_request, _observer):
        world.spool.max_bytes = 0
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    world.engine.program = fill_up
    began, advance = world.clock.now(), world.clock.advance

    def empty_after_a_while(seconds):
        advance(seconds)
        if (world.clock.now() - began).total_seconds() > KEPT_S / 2:
            full_store.empty()

    world.sleep = empty_after_a_while
    job = world.start()

    world.run_execution()

    assert world.job(job.job_id).status is JobStatus.SUCCESS
    assert len(world.engine.requests) == 1


@pytest.mark.usefixtures("full_store")
def test_a_program_that_was_timed_out_is_stopped_while_its_result_waits(world):
    world.engine.program = lambda _request, _observer: EngineReport(
        ExecutionResult(status=JobStatus.TIMEOUT, reason=Reason.WALL_TIME_LIMIT)
    )
    job = world.start()

    world.run_execution()

    assert world.engine.cancelled == [job.execution.id]


def test_what_waits_for_the_log_store_is_told(world, full_store):
    check = CheckLogStore(world.log_store, world.unit_of_work)
    check()
    world.start()
    world.run_execution()

    with pytest.raises(StorageUnavailable, match="the log of 1 execution waits"):
        check()
    full_store.empty()
    world.finish_execution.store_kept()
    check()


def test_a_full_disk_is_a_log_that_could_not_be_stored_and_no_lost_worker(tmp_path):
    world = InMemoryService(log_spool=tmp_path / "missing")
    too_large_for_memory = io.BytesIO(b"x" * (1 << 20))
    world.engine.program = lambda _request, _observer: EngineReport(
        ExecutionResult(status=JobStatus.SUCCESS), too_large_for_memory, None
    )
    job = world.start()

    world.run_execution()

    ended = world.job(job.job_id)
    assert (ended.status, ended.reason) == (JobStatus.FAILED, Reason.STORAGE_ERROR)
    assert ended.execution.result.log_key is None


def test_a_database_and_a_disk_that_take_nothing_for_a_while_cost_no_result(world):
    job = world.start()
    complete = world.complete_execution
    outages = [DependencyUnavailable("database", "restarting")] * 2

    def fail_twice(*arguments, **options):
        world.spool.max_bytes = -1
        if outages:
            raise outages.pop()
        return complete(*arguments, **options)

    world.complete_execution = fail_twice
    world.run_execution()

    assert world.job(job.job_id).status is JobStatus.SUCCESS
    assert world.slept == [1.0]


@pytest.mark.parametrize("status", [JobStatus.SUCCESS, JobStatus.TIMEOUT])
def test_a_result_that_the_database_does_not_take_is_kept_until_it_does(world, status):
    reason = None if status is JobStatus.SUCCESS else Reason.WALL_TIME_LIMIT
    world.engine.program = lambda _request, _observer: EngineReport(
        ExecutionResult(status=status, reason=reason, stdout=Output.of("hello"))
    )
    job = world.start()
    complete = world.complete_execution

    def refuse(*_arguments, **_options):
        raise DependencyUnavailable("database", "it is read-only")

    world.complete_execution = refuse
    world.run_execution()
    world.clock.advance(KEPT_S + 1)  # it has its log, so nothing about it is lost
    with pytest.raises(DependencyUnavailable):
        world.finish_execution.store_kept()
    world.complete_execution = complete
    world.finish_execution.store_kept()

    ended = world.job(job.job_id)
    assert (ended.status, ended.reason) == (status, reason)
    assert log_of(world, job.job_id)["stdout"] == "hello"
    assert world.spool.names() == []


def test_a_report_is_refused_while_the_database_takes_no_writes_and_holds_no_thread(world):
    world.engine.program = take_over
    execution = world.start().execution
    world.run_execution()

    def refuse(*_arguments, **_options):
        raise DependencyUnavailable("database", "it is read-only")

    world.complete_execution = refuse
    report = json.dumps({"execution_id": str(execution.id), "stdout": "hello", "exit_code": 0}).encode()

    with pytest.raises(DependencyUnavailable):
        world.report_completion(execution.id, report, MessageKey("engine", "1"))
    assert world.slept == []
    assert world.spool.names() == []


def test_output_is_fed_while_the_program_runs_and_forgotten_after(world):
    seen: list[OutputChunk] = []
    chunk = OutputChunk(Stream.STDOUT, 0, b"hi")

    def program(request, observer):
        world.output_feed.follow(request.execution_id, seen.append)
        observer.started()
        observer.output(chunk)
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    world.engine.program = program
    world.start()
    world.run_execution()

    assert seen == [chunk]
    assert world.output_feed._channels == {}


def test_what_a_cancelled_program_had_written_is_kept(world):
    def program(request, observer):
        observer.started()
        world.cancel_job(request.job_id)
        world.stop_execution(request.execution_id, request.job_id)
        return EngineReport(
            ExecutionResult(
                status=JobStatus.CANCELLED, reason=Reason.CANCELLED, stdout=Output.of("half of it")
            )
        )

    world.engine.program = program
    job = world.start()
    world.run_execution()

    ended = world.job(job.job_id)
    assert ended.status is JobStatus.CANCELLED
    assert ended.execution.result.stdout.text == "half of it"
    assert log_of(world, job.job_id)["stdout"] == "half of it"
    assert world.announced().count("JobCompleted") == 0


def test_a_program_that_ends_as_its_job_is_cancelled_leaves_it_cancelled(world):
    def program(request, observer):
        observer.started()
        world.cancel_job(request.job_id)
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    world.engine.program = program
    job = world.start()
    world.run_execution()

    ended = world.job(job.job_id)
    assert ended.status is JobStatus.CANCELLED
    assert ended.execution.result.status is JobStatus.CANCELLED


def test_an_execution_that_is_given_back_is_replaced_and_counts_as_no_attempt(world):
    def program(_request, observer):
        observer.started()
        world.drain_executions()
        return cancelled_report()

    world.engine.program = program
    job = world.start(stdin="again")
    world.run_execution()

    given_back, waiting = world.get_job(job.job_id).executions
    assert given_back.ended_at is not None
    assert given_back.result is None
    assert (waiting.number, waiting.claimed_by) == (1, None)
    assert world.announced()[-1] == "JobRetried"

    world.engine.program = echo
    world.run_execution()
    assert world.job(job.job_id).execution.result.stdout.text == "again"


def test_what_is_cancelled_while_it_is_given_back_stays_cancelled(world):
    def program(request, observer):
        observer.started()
        world.drain_executions()
        world.cancel_job(request.job_id)
        return cancelled_report()

    world.engine.program = program
    job = world.start()
    world.run_execution()

    assert world.job(job.job_id).status is JobStatus.CANCELLED
    assert len(world.get_job(job.job_id).executions) == 1


def test_a_standalone_runner_runs_what_it_asked_for_and_leaves_the_rest(world):
    world.start(stdin="of others", priority=9)
    job = world.start(stdin="its own")
    own = world.job(job.job_id).execution.id

    assert world.run_execution(only=own) is True
    assert world.run_execution(only=own) is False

    assert [request.stdin for request in world.engine.requests] == ["its own"]


def test_an_engine_that_takes_the_work_reports_its_end_by_itself(world):
    world.engine.program = take_over
    job = world.start()
    world.run_execution()

    running = world.job(job.job_id)
    assert running.status is JobStatus.RUNNING
    assert running.execution.is_delegated
    assert world.in_flight.snapshot() == {}


@pytest.mark.parametrize(
    "written",
    [b"plain", "한국어 \N{SNAKE}".encode(), b"nul \0 \x1b[31m", b"\xff\xfe broken", b"cut \xe2\x82", b""],
)
def test_the_log_has_every_byte(world, written):
    def program(_request, _observer):
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS), io.BytesIO(written), io.BytesIO())

    world.engine.program = program
    job = world.start()
    world.run_execution()

    log = log_of(world, job.job_id)
    assert log["stdout"] == written.decode("utf-8", "replace")
    exact = base64.b64decode(log["stdout_base64"]) if "stdout_base64" in log else log["stdout"].encode()
    assert exact == written


def test_a_stream_is_closed_when_its_log_is_written(world):
    stream = io.BytesIO(b"x")
    world.engine.program = lambda _request, _observer: EngineReport(
        ExecutionResult(status=JobStatus.SUCCESS), stream, None
    )
    world.start()
    world.run_execution()

    assert stream.closed


def test_an_engine_that_took_what_was_cancelled_meanwhile_is_told_to_stop(world):
    def program(request, observer):
        observer.started()
        world.cancel_job(request.job_id)

    world.engine.program = program
    world.start()
    world.run_execution()

    assert world.engine.cancelled == [world.engine.requests[0].execution_id]


def test_an_engine_is_not_told_to_stop_what_another_execution_may_be_running(world):
    # Given a worker that stands still until its program is another worker's
    def program(request, observer):
        observer.started()
        world.pass_time(31)
        another = world.claim("worker-2")
        for lost in world.renew_leases().items():
            world.stop_execution(*lost)
        assert another.job_id == request.job_id
        return cancelled_report()

    world.engine.program = program
    job = world.start(max_attempts=2)
    # When it goes on
    world.run_execution()

    # Then it lets go of the program, and the other one goes on
    assert world.engine.cancelled == []
    assert world.engine.detached == [world.engine.requests[0].execution_id]
    assert world.job(job.job_id).status is JobStatus.RUNNING


@pytest.mark.parametrize(("stands_still_s", "told"), [(0, 1), (31, 0)])
def test_the_engine_is_told_that_time_is_up_only_for_what_is_still_this_worker_s(world, stands_still_s, told):
    def program(_request, observer):
        observer.started()
        world.pass_time(stands_still_s)
        return EngineReport(ExecutionResult(status=JobStatus.TIMEOUT, reason=Reason.WALL_TIME_LIMIT))

    world.engine.program = program
    world.start(max_attempts=2)
    world.run_execution()

    assert len(world.engine.cancelled) == told


def test_an_engine_is_told_before_its_program_is_given_back(world):
    found = []

    def program(_request, observer):
        observer.started()
        world.drain_executions()
        return cancelled_report()

    world.engine.program = program
    world.engine.cancel = lambda _execution_id, job_id: found.append(len(world.get_job(job_id).executions))
    world.start()
    world.run_execution()

    assert found == [1]


def test_what_was_lost_before_it_is_released_is_not_given_back(world):
    def program(_request, observer):
        observer.started()
        world.pass_time(31)
        world.claim("worker-2")
        world.drain_executions()
        return cancelled_report()

    world.engine.program = program
    job = world.start(max_attempts=2)
    world.run_execution()

    assert world.engine.cancelled == []
    assert [execution.number for execution in world.get_job(job.job_id).executions] == [1, 2]


def lose_program(request, observer):
    observer.started()
    failure = ExecutionResult.failed(Reason.ENGINE_ERROR, f"The engine answered 500 to {request.stdin}.")
    return EngineReport(failure, is_lost=True)


def test_what_its_engine_loses_is_tried_as_often_as_the_job_allows(world):
    world.engine.program = lose_program
    job = world.start(stdin="it", max_attempts=2)

    assert world.run_execution()
    assert world.job(job.job_id).status is JobStatus.RUNNING
    assert world.run_execution()
    assert not world.run_execution()

    ended = world.get_job(job.job_id)
    assert (ended.job.status, ended.job.reason) == (JobStatus.FAILED, Reason.ENGINE_ERROR)
    assert [execution.number for execution in ended.executions] == [1, 2]
    assert {execution.result.error_message for execution in ended.executions} == {
        "The engine answered 500 to it."
    }


def test_starts_that_an_engine_and_a_worker_lost_are_counted_together(world):
    # Given a program that its engine lost once
    world.engine.program = lose_program
    job = world.start(max_attempts=2)
    world.run_execution()

    # When the worker of its second start is lost
    again = world.claim()
    world.unit_of_work.run(lambda transaction: transaction.executions.mark_started(again.id, "worker-1"))
    world.pass_time(31)

    # Then there is no third
    assert world.job(job.job_id).reason is Reason.WORKER_LOST
    assert not world.run_execution()
