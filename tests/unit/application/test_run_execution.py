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
from tests.support.callers import ANONYMOUS
from tests.support.failing import Failing
from tests.support.in_memory_service import KEPT_S, LEASE_S, InMemoryService
from tests.support.scripted_engine import cancelled_report, echo, take_over


def log_of(service, job_id):
    key = service.job_reader.status(ANONYMOUS, job_id).log_key
    return json.loads(service.read_log(ANONYMOUS, key.value))


def test_nothing_happens_when_nothing_waits(service):
    assert service.run_execution() is False
    assert service.engine.requests == []


def test_a_program_that_succeeds_ends_its_job_with_its_output_and_its_log(service):
    job = service.start(stdin="hello")

    assert service.run_execution() is True

    ended = service.job(job.job_id)
    assert ended.status is JobStatus.SUCCESS
    assert ended.execution.result.stdout == Output("hello", 5)
    assert ended.execution.started_at is not None
    assert log_of(service, job.job_id)["stdout"] == "hello"
    assert service.announced()[-1] == "JobCompleted"


def test_the_most_urgent_runs_first_and_then_the_oldest(service):
    for name, priority in (("old", 5), ("young", 5), ("urgent", 9), ("idle", 0)):
        service.start(stdin=name, priority=priority)
        service.clock.advance(1)

    while service.run_execution():
        pass

    assert [request.stdin for request in service.engine.requests] == ["urgent", "old", "young", "idle"]


def test_a_build_and_notes_are_seen_while_the_program_runs(service):
    seen = []

    def build(_request, observer):
        observer.building()
        seen.append(service.job(job.job_id))
        observer.note(Note.STDIN_NOT_PASSED)
        observer.started()
        seen.append(service.job(job.job_id))
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS, notes=(Note.USAGE_UNKNOWN,)))

    service.engine.program = build
    job = service.start()

    service.run_execution()

    ended = service.job(job.job_id)
    assert [view.phase for view in (*seen, ended)] == [Phase.BUILDING, Phase.RUNNING, Phase.ENDED]
    assert seen[1].execution.all_notes == (Note.STDIN_NOT_PASSED,)
    assert ended.execution.all_notes == (Note.STDIN_NOT_PASSED, Note.USAGE_UNKNOWN)


def test_a_program_runs_though_its_notes_cannot_be_recorded(service, monkeypatch):
    def note(_request, observer):
        with monkeypatch.context() as patched:
            patched.setattr(
                service.unit_of_work, "run", Failing(DependencyUnavailable("database", "away")).run
            )
            observer.note(Note.STDIN_NOT_PASSED)
        observer.started()
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    service.engine.program = note
    job = service.start()

    service.run_execution()

    assert service.job(job.job_id).status is JobStatus.SUCCESS


def test_a_bug_in_the_engine_ends_the_job(service, caplog):
    def explode(_request, _observer):
        raise RuntimeError("boom")

    service.engine.program = explode
    job = service.start()

    service.run_execution()

    ended = service.job(job.job_id)
    assert (ended.status, ended.reason) == (JobStatus.FAILED, Reason.INTERNAL)
    assert "boom" not in ended.execution.result.error_message
    assert "boom" in caplog.text


@pytest.fixture
def full_store(service):
    """A log store that takes nothing, until it is emptied."""
    put = service.log_store.put
    service.log_store.put = Failing(StorageUnavailable("it is full")).put
    return SimpleNamespace(empty=lambda: setattr(service.log_store, "put", put))


def test_a_result_waits_for_its_log_to_be_stored_and_its_program_is_not_run_again(service, full_store):
    job = service.start(stdin="hello")

    service.run_execution()

    assert service.slept == [1.0, 2.0]
    assert service.job(job.job_id).status is JobStatus.RUNNING
    with pytest.raises(StorageUnavailable):
        service.store_kept_results()
    service.pass_time(KEPT_S - LEASE_S)
    assert service.job(job.job_id).status is JobStatus.RUNNING
    full_store.empty()
    service.store_kept_results()
    assert service.job(job.job_id).status is JobStatus.SUCCESS
    assert log_of(service, job.job_id)["stdout"] == "hello"
    assert len(service.engine.requests) == 1
    assert service.spool.names() == []


def test_the_claims_of_results_that_wait_are_renewed(service, full_store):
    job = service.start()
    service.run_execution()
    for _ in range(2):  # together longer than the lease that it was kept with
        service.pass_time(KEPT_S / 2 + 50)
        service.spool.kept = {
            name: (replace(kept, ended_at=service.clock.now()), log)
            for name, (kept, log) in service.spool.kept.items()
        }
        with pytest.raises(StorageUnavailable):
            service.store_kept_results()

    assert service.job(job.job_id).status is JobStatus.RUNNING
    full_store.empty()
    service.store_kept_results()
    assert service.job(job.job_id).status is JobStatus.SUCCESS


@pytest.mark.usefixtures("full_store")
def test_a_result_that_has_waited_for_too_long_has_failed(service):
    job = service.start()
    service.run_execution()

    service.clock.advance(KEPT_S + 1)
    service.recover_orphans()
    service.store_kept_results()

    ended = service.job(job.job_id)
    assert (ended.status, ended.reason) == (JobStatus.FAILED, Reason.STORAGE_ERROR)
    assert ended.execution.result.log_key is None
    assert service.spool.names() == []


def test_a_result_that_seems_old_is_stored_if_the_log_store_takes_it(service, full_store):
    job = service.start(stdin="hello")
    service.run_execution()

    service.clock.set(KEPT_S + 1)
    full_store.empty()
    service.store_kept_results()

    assert service.job(job.job_id).status is JobStatus.SUCCESS
    assert log_of(service, job.job_id)["stdout"] == "hello"


@pytest.mark.parametrize("seconds", [KEPT_S + 1, -10 * KEPT_S])
@pytest.mark.usefixtures("full_store")
def test_a_result_waits_as_long_although_the_clock_is_set_during_the_outage(service, seconds):
    job = service.start(stdin="hello")
    service.run_execution()
    with pytest.raises(StorageUnavailable):
        service.store_kept_results()

    service.clock.set(seconds)
    service.clock.advance(KEPT_S - 1)
    with pytest.raises(StorageUnavailable):
        service.store_kept_results()
    assert service.job(job.job_id).status is JobStatus.RUNNING

    service.clock.advance(2)
    service.store_kept_results()
    assert service.job(job.job_id).reason is Reason.STORAGE_ERROR


def test_one_log_that_the_store_never_takes_is_not_in_the_way_of_others(service, full_store):
    jobs = [service.start(stdin=name) for name in ("poison", "a", "b", "c")]
    while service.run_execution():
        pass
    full_store.empty()
    put = service.log_store.put

    def refuse_poison(key, content, content_type):
        if b"poison" in (whole := content.read()):
            raise StorageUnavailable("it responds with an error")
        return put(key, whole, content_type)

    service.log_store.put = refuse_poison
    for _ in range(100):
        with suppress(StorageUnavailable):
            service.store_kept_results()

    statuses = [service.job(job.job_id).status for job in jobs]
    assert statuses == [JobStatus.RUNNING, *[JobStatus.SUCCESS] * 3]


def test_the_result_of_a_job_that_was_cancelled_meanwhile_is_kept_with_its_execution(service, full_store):
    job = service.start(stdin="hello")
    service.run_execution()
    service.cancel_job(ANONYMOUS, job.job_id)
    full_store.empty()

    service.store_kept_results()

    ended = service.job(job.job_id)
    assert ended.status is JobStatus.CANCELLED
    assert ended.execution.result.stdout.text == "hello"
    assert service.spool.names() == []


def test_no_program_is_started_whose_result_could_not_be_kept(service):
    service.start()
    service.spool.max_bytes = 0

    assert service.run_execution() is False
    assert service.engine.requests == []


def test_a_result_that_neither_store_nor_disk_takes_waits_on_its_thread(service, full_store):
    def fill_up(_request, _observer):
        service.spool.max_bytes = 0
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    service.engine.program = fill_up
    began, advance = service.clock.now(), service.clock.advance

    def empty_after_a_while(seconds):
        advance(seconds)
        if (service.clock.now() - began).total_seconds() > KEPT_S / 2:
            full_store.empty()

    service.clock.sleep = empty_after_a_while
    job = service.start()

    service.run_execution()

    assert service.job(job.job_id).status is JobStatus.SUCCESS
    assert len(service.engine.requests) == 1


@pytest.mark.usefixtures("full_store")
def test_a_program_that_was_timed_out_is_stopped_while_its_result_waits(service):
    service.engine.program = lambda _request, _observer: EngineReport(
        ExecutionResult(status=JobStatus.TIMEOUT, reason=Reason.WALL_TIME_LIMIT)
    )
    job = service.start()

    service.run_execution()

    assert service.engine.cancelled == [job.execution.id]


def test_what_waits_for_the_log_store_is_told(service, full_store):
    check = CheckLogStore(service.log_store, service.unit_of_work)
    check()
    service.start()
    service.run_execution()

    with pytest.raises(StorageUnavailable, match="the log of 1 execution waits"):
        check()
    full_store.empty()
    service.store_kept_results()
    check()


def test_a_full_disk_is_a_log_that_could_not_be_stored_and_no_lost_worker(tmp_path):
    service = InMemoryService(log_spool=tmp_path / "missing")
    too_large_for_memory = io.BytesIO(b"x" * (1 << 20))
    service.engine.program = lambda _request, _observer: EngineReport(
        ExecutionResult(status=JobStatus.SUCCESS), too_large_for_memory, None
    )
    job = service.start()

    service.run_execution()

    ended = service.job(job.job_id)
    assert (ended.status, ended.reason) == (JobStatus.FAILED, Reason.STORAGE_ERROR)
    assert ended.execution.result.log_key is None


def test_a_database_and_a_disk_that_take_nothing_for_a_while_cost_no_result(service):
    run = service.unit_of_work.run
    outages = [DependencyUnavailable("database", "restarting")] * 2

    def fail_twice(work):
        if outages:
            raise outages.pop()
        return run(work)

    def end_in_an_outage(request, observer):
        report = echo(request, observer)
        service.spool.max_bytes = -1
        service.unit_of_work.run = fail_twice
        return report

    service.engine.program = end_in_an_outage
    job = service.start()
    service.run_execution()

    assert service.job(job.job_id).status is JobStatus.SUCCESS
    assert service.slept == [1.0]


@pytest.mark.parametrize("status", [JobStatus.SUCCESS, JobStatus.TIMEOUT])
def test_a_result_that_the_database_does_not_take_is_kept_until_it_does(service, status):
    reason = None if status is JobStatus.SUCCESS else Reason.WALL_TIME_LIMIT
    run = service.unit_of_work.run

    def end_in_an_outage(_request, _observer):
        service.unit_of_work.run = Failing(DependencyUnavailable("database", "it is read-only")).run
        return EngineReport(ExecutionResult(status=status, reason=reason, stdout=Output.of("hello")))

    service.engine.program = end_in_an_outage
    job = service.start()
    service.run_execution()
    service.clock.advance(KEPT_S + 1)  # it has its log, so nothing about it is lost
    with pytest.raises(DependencyUnavailable):
        service.store_kept_results()
    service.unit_of_work.run = run
    service.store_kept_results()

    ended = service.job(job.job_id)
    assert (ended.status, ended.reason) == (status, reason)
    assert log_of(service, job.job_id)["stdout"] == "hello"
    assert service.spool.names() == []


def test_a_report_is_refused_while_the_database_takes_no_writes_and_holds_no_thread(service):
    service.engine.program = take_over
    execution = service.start().execution
    service.run_execution()
    service.unit_of_work.run = Failing(DependencyUnavailable("database", "it is read-only")).run
    report = json.dumps({"execution_id": str(execution.id), "stdout": "hello", "exit_code": 0}).encode()

    with pytest.raises(DependencyUnavailable):
        service.report_completion(execution.id, report, MessageKey("engine", "1"))
    assert service.slept == []
    assert service.spool.names() == []


def test_output_is_fed_while_the_program_runs_and_forgotten_after(service):
    seen: list[OutputChunk] = []
    chunk = OutputChunk(Stream.STDOUT, 0, b"hi")

    def program(request, observer):
        service.output_feed.follow(request.execution_id, seen.append)
        observer.started()
        observer.output(chunk)
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    service.engine.program = program
    execution = service.start().execution
    service.run_execution()

    assert seen == [chunk]
    assert seen[0].at == service.clock.now()
    assert service.output_feed.recall(execution.id) == ()
    service.output_feed.append(execution.id, chunk)
    assert seen == [chunk]


def test_a_log_has_the_times_at_which_output_came(service):
    def program(_request, observer):
        observer.started()
        observer.output(OutputChunk(Stream.STDOUT, 0, b"one"))
        service.clock.advance(2)
        observer.output(OutputChunk(Stream.STDERR, 0, b"two"))
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    began = service.clock.now()
    service.engine.program = program
    job = service.start()
    service.run_execution()

    log = json.loads(service.read_log(ANONYMOUS, service.job(job.job_id).execution.result.log_key.value))
    assert log["arrivals"] == {"begin": began.isoformat(), "marks": [[0, 3, 0], [2_000, 3, 3]]}


def test_what_a_cancelled_program_had_written_is_kept(service):
    def program(request, observer):
        observer.started()
        service.cancel_job(ANONYMOUS, request.job_id)
        service.stop_execution(request.execution_id, request.job_id)
        return EngineReport(
            ExecutionResult(
                status=JobStatus.CANCELLED, reason=Reason.CANCELLED, stdout=Output.of("half of it")
            )
        )

    service.engine.program = program
    job = service.start()
    service.run_execution()

    ended = service.job(job.job_id)
    assert ended.status is JobStatus.CANCELLED
    assert ended.execution.result.stdout.text == "half of it"
    assert log_of(service, job.job_id)["stdout"] == "half of it"
    assert service.announced().count("JobCompleted") == 0


def test_a_program_that_ends_as_its_job_is_cancelled_leaves_it_cancelled(service):
    def program(request, observer):
        observer.started()
        service.cancel_job(ANONYMOUS, request.job_id)
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    service.engine.program = program
    job = service.start()
    service.run_execution()

    ended = service.job(job.job_id)
    assert ended.status is JobStatus.CANCELLED
    assert ended.execution.result.status is JobStatus.CANCELLED


def test_an_execution_that_is_given_back_is_replaced_and_counts_as_no_attempt(service):
    def program(_request, observer):
        observer.started()
        service.drain_executions()
        return cancelled_report()

    service.engine.program = program
    job = service.start(stdin="again")
    service.run_execution()

    given_back, waiting = service.job_reader.get(ANONYMOUS, job.job_id).executions
    assert given_back.ended_at is not None
    assert given_back.result is None
    assert (waiting.number, waiting.claimed_by) == (1, None)
    assert service.announced()[-1] == "JobRetried"

    service.engine.program = echo
    service.run_execution()
    assert service.job(job.job_id).execution.result.stdout.text == "again"


def test_what_is_cancelled_while_it_is_given_back_stays_cancelled(service):
    def program(request, observer):
        observer.started()
        service.drain_executions()
        service.cancel_job(ANONYMOUS, request.job_id)
        return cancelled_report()

    service.engine.program = program
    job = service.start()
    service.run_execution()

    assert service.job(job.job_id).status is JobStatus.CANCELLED
    assert len(service.job_reader.get(ANONYMOUS, job.job_id).executions) == 1


def test_a_standalone_runner_runs_what_it_asked_for_and_leaves_the_rest(service):
    service.start(stdin="of others", priority=9)
    job = service.start(stdin="its own")
    own = service.job(job.job_id).execution.id

    assert service.run_execution(only=own) is True
    assert service.run_execution(only=own) is False

    assert [request.stdin for request in service.engine.requests] == ["its own"]


def test_an_engine_that_takes_the_work_reports_its_end_by_itself(service):
    service.engine.program = take_over
    job = service.start()
    service.run_execution()

    running = service.job(job.job_id)
    assert running.status is JobStatus.RUNNING
    assert running.execution.is_delegated
    assert service.in_flight.snapshot() == {}


@pytest.mark.parametrize(
    "written",
    [b"plain", "한국어 \N{SNAKE}".encode(), b"nul \0 \x1b[31m", b"\xff\xfe broken", b"cut \xe2\x82", b""],
)
def test_the_log_has_every_byte(service, written):
    def program(_request, _observer):
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS), io.BytesIO(written), io.BytesIO())

    service.engine.program = program
    job = service.start()
    service.run_execution()

    log = log_of(service, job.job_id)
    assert log["stdout"] == written.decode("utf-8", "replace")
    exact = base64.b64decode(log["stdout_base64"]) if "stdout_base64" in log else log["stdout"].encode()
    assert exact == written


def test_a_stream_is_closed_when_its_log_is_written(service):
    stream = io.BytesIO(b"x")
    service.engine.program = lambda _request, _observer: EngineReport(
        ExecutionResult(status=JobStatus.SUCCESS), stream, None
    )
    service.start()
    service.run_execution()

    assert stream.closed


def test_an_engine_that_took_what_was_cancelled_meanwhile_is_told_to_stop(service):
    def program(request, observer):
        observer.started()
        service.cancel_job(ANONYMOUS, request.job_id)

    service.engine.program = program
    service.start()
    service.run_execution()

    assert service.engine.cancelled == [service.engine.requests[0].execution_id]


def test_an_engine_is_not_told_to_stop_what_another_execution_may_be_running(service):
    # Given a worker that stands still until its program is another worker's
    def program(request, observer):
        observer.started()
        service.pass_time(31)
        another = service.claim("worker-2")
        for lost in service.renew_leases().items():
            service.stop_execution(*lost)
        assert another.job_id == request.job_id
        return cancelled_report()

    service.engine.program = program
    job = service.start(max_attempts=2)
    # When it goes on
    service.run_execution()

    # Then it lets go of the program, and the other one goes on
    assert service.engine.cancelled == []
    assert service.engine.detached == [service.engine.requests[0].execution_id]
    assert service.job(job.job_id).status is JobStatus.RUNNING


@pytest.mark.parametrize(("stands_still_s", "told"), [(0, 1), (31, 0)])
def test_the_engine_is_told_that_time_is_up_only_for_what_is_still_this_worker_s(
    service, stands_still_s, told
):
    def program(_request, observer):
        observer.started()
        service.pass_time(stands_still_s)
        return EngineReport(ExecutionResult(status=JobStatus.TIMEOUT, reason=Reason.WALL_TIME_LIMIT))

    service.engine.program = program
    service.start(max_attempts=2)
    service.run_execution()

    assert len(service.engine.cancelled) == told


def test_an_engine_is_told_before_its_program_is_given_back(service):
    found = []

    def program(_request, observer):
        observer.started()
        service.drain_executions()
        return cancelled_report()

    service.engine.program = program
    service.engine.cancel = lambda _execution_id, job_id: found.append(
        len(service.job_reader.get(ANONYMOUS, job_id).executions)
    )
    service.start()
    service.run_execution()

    assert found == [1]


def test_what_was_lost_before_it_is_released_is_not_given_back(service):
    def program(_request, observer):
        observer.started()
        service.pass_time(31)
        service.claim("worker-2")
        service.drain_executions()
        return cancelled_report()

    service.engine.program = program
    job = service.start(max_attempts=2)
    service.run_execution()

    assert service.engine.cancelled == []
    assert [execution.number for execution in service.job_reader.get(ANONYMOUS, job.job_id).executions] == [
        1,
        2,
    ]


def lose_program(request, observer):
    observer.started()
    failure = ExecutionResult.failed(Reason.ENGINE_ERROR, f"The engine answered 500 to {request.stdin}.")
    return EngineReport(failure, is_lost=True)


def test_what_its_engine_loses_is_tried_as_often_as_the_job_allows(service):
    service.engine.program = lose_program
    job = service.start(stdin="it", max_attempts=2)

    assert service.run_execution()
    assert service.job(job.job_id).status is JobStatus.RUNNING
    assert service.run_execution()
    assert not service.run_execution()

    ended = service.job_reader.get(ANONYMOUS, job.job_id)
    assert (ended.job.status, ended.job.reason) == (JobStatus.FAILED, Reason.ENGINE_ERROR)
    assert [execution.number for execution in ended.executions] == [1, 2]
    assert {execution.result.error_message for execution in ended.executions} == {
        "The engine answered 500 to it."
    }


def test_starts_that_an_engine_and_a_worker_lost_are_counted_together(service):
    # Given a program that its engine lost once
    service.engine.program = lose_program
    job = service.start(max_attempts=2)
    service.run_execution()

    # When the worker of its second start is lost
    again = service.claim()
    service.unit_of_work.run(lambda transaction: transaction.executions.mark_started(again.id, "worker-1"))
    service.pass_time(31)

    # Then there is no third
    assert service.job(job.job_id).reason is Reason.WORKER_LOST
    assert not service.run_execution()
