"""Cases: one build, a result for each, by as many threads and workers as come."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from application.case_manifest import CaseManifest
from application.commands import UploadCodeCommand
from application.errors import Unprocessable
from application.ports.execution_engine import EngineReport
from application.submitted_cases import NewCase
from domain.audit import Act
from domain.case_set import parse_case_set_reference
from domain.cases import OUTPUT_HEAD_CHARS, StopOn, Verdict
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.execution import ExecutionResult, Output, ResourceUsage
from domain.job_lifecycle import JobStatus, Reason
from tests.support.callers import ANONYMOUS
from tests.support.in_memory_service import LEASE_S, InMemoryService
from tests.support.memory.case_repository import MemoryCaseRepository
from tests.support.scripted_engine import cancelled_report, echo_case


@pytest.fixture
def service():
    return InMemoryService()


def _cases(number, wrong=(), **fields):
    return tuple(
        NewCase(name=f"case {n}", stdin=b"%d" % n, expected=b"wrong" if n in wrong else b"%d\n" % n, **fields)
        for n in range(number)
    )


def _start(service, number=10, wrong=(), **fields):
    return service.start(cases=_cases(number, wrong), **fields).job_id


def _details(service, job_id):
    return service.job_reader.with_cases(ANONYMOUS, job_id)


def _verdicts(service, job_id):
    return {case.index: case.verdict for case in _details(service, job_id).cases}


def _result(service, job_id):
    return _details(service, job_id).latest.result


def _complaining(stderr):
    """Return a script of cases: they write to stderr too."""

    def run(given):
        report = echo_case(given)
        return replace(report, result=replace(report.result, stderr=Output.of(stderr)))

    return run


def _fails(reason, status=JobStatus.FAILED):
    return EngineReport(
        ExecutionResult(status=status, reason=reason, resource=ResourceUsage(execution_time_ms=9))
    )


def test_a_job_succeeds_when_all_cases_are_accepted(service):
    job_id = _start(service, 10)

    assert service.run_execution()

    job, result = service.job(job_id), _result(service, job_id)
    assert (job.status, job.reason) == (JobStatus.SUCCESS, None)
    assert (result.cases.passed, result.cases.total, result.cases.score) == (10, 10, 10.0)
    assert set(_verdicts(service, job_id).values()) == {Verdict.ACCEPTED}
    assert [request.job_id for request, _ in service.engine.builds] == [job_id]
    assert len(service.engine.inputs) == 10
    assert len(service.engine.closed) == 1


def test_a_job_fails_when_a_case_is_not_accepted(service):
    job_id = _start(service, 5, wrong={3})

    service.run_execution()

    result = _result(service, job_id)
    assert service.job(job_id).reason is Reason.CASES_FAILED
    assert _verdicts(service, job_id)[3] is Verdict.WRONG_ANSWER
    assert result.error_message == "Not accepted: 1 of 5 cases; the first is 'case 3': wrong answer."
    assert result.cases.first_failure == 3
    failed = _details(service, job_id).cases[3]
    assert failed.stdout == "3"
    assert "expected 'wrong'" in failed.diff


def test_resources_are_those_of_all_cases(service):
    job_id = _start(service, 10)

    service.run_execution()

    usage = _result(service, job_id).resource
    assert (usage.execution_time_ms, usage.cpu_time_ms, usage.memory_mb) == (50, 40, 3.0)


@pytest.mark.parametrize(
    ("reason", "verdict"),
    [
        (Reason.WALL_TIME_LIMIT, Verdict.TIME_LIMIT),
        (Reason.MEMORY_LIMIT, Verdict.MEMORY_LIMIT),
        (Reason.OUTPUT_LIMIT, Verdict.OUTPUT_LIMIT),
        (Reason.NONZERO_EXIT, Verdict.RUNTIME_ERROR),
    ],
)
def test_the_end_of_a_program_is_a_verdict(service, reason, verdict):
    service.engine.case = lambda given: _fails(reason) if given.stdin == b"1" else echo_case(given)
    job_id = _start(service, 3)

    service.run_execution()

    assert _verdicts(service, job_id) == {0: Verdict.ACCEPTED, 1: verdict, 2: Verdict.ACCEPTED}


def test_a_case_without_an_answer_is_accepted_if_the_program_ends_well(service):
    job_id = service.start(cases=(NewCase(stdin=b"x"),)).job_id

    service.run_execution()

    assert _verdicts(service, job_id) == {0: Verdict.ACCEPTED}


def test_nothing_of_a_hidden_case_is_kept_but_verdict_and_figures(service):
    service.engine.case = _complaining("oh")
    job_id = service.start(cases=_cases(1, wrong={0}, hidden=True)).job_id

    service.run_execution()

    (case,) = _details(service, job_id).cases
    assert (case.verdict, case.time_ms, case.hidden) == (Verdict.WRONG_ANSWER, 5, True)
    assert (case.stdout, case.stderr, case.diff, case.checker_message) == (None, None, None, None)


def test_the_beginning_of_stderr_is_kept_of_cases_that_are_not_accepted(service):
    service.engine.case = _complaining("oh " * 1_000)
    job_id = _start(service, 2, wrong={1})

    service.run_execution()

    accepted, wrong = _details(service, job_id).cases
    assert accepted.stderr is None
    assert wrong.stderr == ("oh " * 1_000)[:OUTPUT_HEAD_CHARS]


def test_a_case_has_arguments_and_limits_of_its_own(service):
    service.start(cases=(NewCase(args=("x",), limits={"timeout_ms": 777}), NewCase()), args=("y",))

    service.run_execution()

    first, second = service.engine.inputs
    assert (first.args, first.limits.timeout_ms) == (("x",), 777)
    assert (second.args, second.limits.timeout_ms) == (None, 30_000)


class TestStopping:
    def test_the_cases_behind_the_first_failure_are_skipped(self, service):
        job_id = _start(service, 6, wrong={2}, stop_on=StopOn.FIRST_FAILURE)

        service.run_execution()

        verdicts = _verdicts(service, job_id)
        assert [verdicts[index] for index in range(3)] == [*[Verdict.ACCEPTED] * 2, Verdict.WRONG_ANSWER]
        assert {verdicts[index] for index in range(3, 6)} == {Verdict.SKIPPED}
        assert len(service.engine.inputs) == 3
        assert _result(service, job_id).cases.passed == 2

    def test_cases_that_are_skipped_are_claimed_many_at_once(self, service, monkeypatch):
        claims, claim = [], MemoryCaseRepository.claim

        def counted(*arguments):
            claims.append(claim(*arguments))
            return claims[-1]

        monkeypatch.setattr(MemoryCaseRepository, "claim", counted)
        job_id = _start(service, 2_000, wrong={0}, stop_on=StopOn.FIRST_FAILURE)

        service.run_execution()

        assert list(_verdicts(service, job_id).values()).count(Verdict.SKIPPED) >= 1_990
        assert len(claims) < 10

    def test_all_cases_are_run_by_default(self, service):
        job_id = _start(service, 6, wrong={2})

        service.run_execution()

        assert Verdict.SKIPPED not in _verdicts(service, job_id).values()

    def test_a_cancelled_job_runs_no_more_cases(self, service):
        job_id = _start(service, 10)

        def cancel_at_three(given):
            if given.stdin == b"3":
                service.cancel_job(ANONYMOUS, job_id)
                return cancelled_report()
            return echo_case(given)

        service.engine.case = cancel_at_three
        service.run_execution()

        assert service.job(job_id).status is JobStatus.CANCELLED
        assert len(service.engine.inputs) == 4
        assert Verdict.SKIPPED not in _verdicts(service, job_id).values()
        sums = _result(service, job_id).cases
        assert (sums.passed, sums.total, sums.max_score) == (len(_verdicts(service, job_id)), 10, 10)
        assert sums.passed > 0

    def test_cases_of_a_cancelled_job_are_stopped_in_every_process(self, service):
        helper = service.process("worker-2")
        job_id = _start(service, 10)
        begun, ended = threading.Event(), threading.Event()

        def wait(_given):
            begun.set()
            assert ended.wait(30)
            return cancelled_report()

        service.engine.case = wait
        execution_id = _details(service, job_id).job.current_execution_id
        with ThreadPoolExecutor(2) as threads:
            leading = threads.submit(service.run_execution)
            assert begun.wait(30)
            helping = threads.submit(helper.run_execution)
            while not helper.in_flight_cases.works_on(job_id):
                threading.Event().wait(0.001)
            service.cancel_job(ANONYMOUS, job_id)
            helper.stop_execution(execution_id, job_id)
            assert service.engine.cancelled == [execution_id]
            ended.set()
            leading.result(30)
            assert helping.result(30)

    def test_the_time_of_all_cases_is_bounded(self, service):
        job_id = _start(service, 10)

        def slow(given):
            service.clock.advance(1_000)
            return echo_case(given)

        service.engine.case = slow
        service.run_execution()

        job = service.job(job_id)
        assert (job.status, job.reason) == (JobStatus.TIMEOUT, Reason.WALL_TIME_LIMIT)
        assert "SERVICE_SERVER_CASES_MAX_S" in _result(service, job_id).error_message


class TestBuilds:
    def test_one_that_fails_is_the_job_s_result(self, service):
        service.engine.built = EngineReport(
            ExecutionResult(status=JobStatus.FAILED, reason=Reason.COMPILE_ERROR, stderr=Output.of("no"))
        )
        job_id = _start(service)

        service.run_execution()

        assert service.job(job_id).reason is Reason.COMPILE_ERROR
        assert _result(service, job_id).stderr.text == "no"
        assert _verdicts(service, job_id) == {}

    def test_the_files_of_one_are_kept_for_other_workers(self, service):
        job_id = _start(service)

        service.run_execution()

        tree = service.unit_of_work.read(lambda transaction: transaction.cases.get(job_id)).tree
        assert service.blobs.read(ANONYMOUS.tenant.name, tree) == b"the files of a build"

    def test_its_files_are_counted_once_and_go_with_the_job(self, service):
        first, second = _start(service), _start(service)

        service.run_execution()
        service.run_execution()

        entries = list(service.database.tables.audit_journal.values())
        counted = [entry.usage.stored_bytes for entry in entries if entry.act is Act.JOB_BUILD]
        assert counted == [len(b"the files of a build"), 0]
        for job_id in (first, second):
            service.delete_job(ANONYMOUS, job_id)
            assert service.unit_of_work.read(lambda t, job_id=job_id: t.cases.get(job_id)) is None
        assert not service.database.tables.blob_references

    def test_the_same_program_is_built_once_for_many_jobs(self, service):
        service.engine.build_key = lambda _: "a" * 64
        jobs = [_start(service) for _ in range(3)]

        service.run_execution()
        service.run_execution()
        service.delete_job(ANONYMOUS, jobs[0])
        service.run_execution()

        assert [tree for _, tree in service.engine.builds] == [None, *[b"the files of a build"] * 2]
        assert [service.job(job_id).status for job_id in jobs[1:]] == [JobStatus.SUCCESS] * 2
        for job_id in jobs[1:]:
            service.delete_job(ANONYMOUS, job_id)
        assert not service.database.tables.job_builds

    def test_a_program_whose_files_are_gone_is_built_again(self, service):
        service.engine.build_key = lambda _: "a" * 64
        first = _start(service)
        service.run_execution()
        tree = service.unit_of_work.read(lambda transaction: transaction.cases.get(first)).tree
        service.code_store.delete(tree.key(ANONYMOUS.tenant.name))
        second = _start(service)

        service.run_execution()

        assert [tree for _, tree in service.engine.builds] == [None, None]
        assert service.job(second).status is JobStatus.SUCCESS

    def test_programs_of_other_content_are_built(self, service):
        service.engine.build_key = lambda request: str(request.spec.code_key).rjust(64, "0")[-64:]
        for _ in range(2):
            _start(service)
            service.run_execution()

        assert [tree for _, tree in service.engine.builds] == [None, None]


class TestLosses:
    def test_a_lost_leader_loses_only_the_cases_that_it_ran(self, service):
        job_id = _start(service, 10)
        lost = service.process("worker-9")

        class Killed(BaseException):
            """The process is killed."""

        def die_at_five(given):
            if given.stdin == b"5":
                raise Killed
            service.clock.advance(0.2)
            return echo_case(given)

        service.engine.case = die_at_five
        with pytest.raises(Killed):
            lost.run_execution()
        kept = _verdicts(service, job_id)
        assert kept
        service.engine.case = echo_case
        service.engine.inputs.clear()
        service.pass_time(LEASE_S + 40)

        assert service.run_execution()

        assert service.job(job_id).status is JobStatus.SUCCESS
        assert len(service.engine.inputs) == 10 - len(kept)
        assert [tree for _, tree in service.engine.builds] == [None, b"the files of a build"]

    def test_a_lost_helper_s_cases_are_run_by_the_leader(self, service):
        job_id = _start(service, 4)
        helper = service.process("worker-9")
        taken = threading.Event()

        class Killed(BaseException):
            """The process is killed."""

        def die(_given):
            raise Killed

        def lead(given):
            if not taken.is_set():
                service.engine.case = die
                with pytest.raises(Killed):
                    helper.run_execution()
                service.engine.case = echo_case
                taken.set()
                service.clock.advance(LEASE_S + 1)
            return echo_case(given)

        service.engine.case = lead
        service.run_execution()

        assert service.job(job_id).status is JobStatus.SUCCESS
        assert sorted(_verdicts(service, job_id)) == list(range(4))

    def test_a_case_that_the_engine_fails_is_run_again(self, service):
        failures = iter([_fails(Reason.ENGINE_ERROR), _fails(Reason.ENGINE_ERROR)])
        service.engine.case = lambda given: next(failures, None) or echo_case(given)
        job_id = _start(service, 3)

        service.run_execution()

        assert service.job(job_id).status is JobStatus.SUCCESS

    def test_an_engine_that_fails_every_case_fails_the_job(self, service):
        service.engine.case = lambda _given: _fails(Reason.ENGINE_ERROR)
        job_id = _start(service, 3)

        while service.run_execution():
            continue

        assert service.job(job_id).reason is Reason.ENGINE_ERROR


class TestHelpers:
    def test_cases_are_not_helped_with_where_their_runtime_is_not(self, service):
        helper = service.process("worker-2")
        helped = []

        def help_once(given):
            service.engine.case = echo_case
            service.engine.lacking = frozenset({"python"})
            helped.append(helper.run_execution())
            return echo_case(given)

        service.engine.case = help_once
        job_id = _start(service, 10)

        assert service.run_execution()

        assert helped == [False]
        assert len(service.engine.builds) == 1
        assert service.job(job_id).status is JobStatus.SUCCESS

    def test_there_is_nothing_to_help_with_where_nobody_leads(self, service):
        assert not service.run_execution()

    def test_one_goes_on_as_long_as_no_execution_waits(self, service):
        job_id = _start(service, 60)
        helper = service.process("worker-2")

        def lead(given):
            service.engine.case = echo_case
            assert helper.run_execution()
            return echo_case(given)

        service.engine.case = lead
        service.run_execution()

        assert service.job(job_id).status is JobStatus.SUCCESS
        # The leader had two: the helper has run all others, with one program.
        assert len(service.engine.builds) == 2

    def test_one_leaves_cases_for_an_execution_that_waits(self, service):
        _start(service, 60)
        helper = service.process("worker-2")
        waiting = []

        def help_once(given):
            service.engine.case = echo_case
            waiting.append(service.start(code="print(2)").job_id)
            return echo_case(given)

        def lead(given):
            service.engine.case = help_once
            before = len(service.engine.inputs)
            assert helper.run_execution()
            # The first cases, and then it has returned to claim the execution.
            assert len(service.engine.inputs) - before == 2
            assert helper.run_execution()
            assert service.job(waiting[0]).status is JobStatus.SUCCESS
            return echo_case(given)

        service.engine.case = lead
        service.run_execution()

        assert len(waiting) == 1

    def test_they_build_for_the_owner_of_the_job(self, service):
        job_id = _start(service, 4)
        helper = service.process("worker-2")
        helping = []

        def lead(given):
            service.engine.case = echo_case
            helping.append(helper.run_execution())
            return echo_case(given)

        service.engine.case = lead
        service.run_execution()

        job = _details(service, job_id).job
        assert helping == [True]
        assert {request.tenant for request, _ in service.engine.builds} == {job.tenant}
        assert [tree for _, tree in service.engine.builds] == [None, b"the files of a build"]

    def test_several_threads_share_the_cases(self, service):
        job_id = _start(service, 40)
        helpers = [service.process(f"worker-{number}") for number in (2, 3)]
        begun = threading.Event()

        def case(given):
            begun.set()
            threading.Event().wait(0.002)
            return echo_case(given)

        service.engine.case = case
        with ThreadPoolExecutor(3) as threads:
            leading = threads.submit(service.run_execution)
            assert begun.wait(30)
            helping = [threads.submit(helper.run_execution) for helper in helpers]
            assert leading.result(60)
            for one in helping:
                one.result(60)

        assert service.job(job_id).status is JobStatus.SUCCESS
        assert sorted(_verdicts(service, job_id)) == list(range(40))
        assert len(service.engine.inputs) == 40

    def test_workers_are_woken_for_them(self, service):
        _start(service, 5)
        before = service.work_queue.wake_ups

        service.run_execution()

        assert service.work_queue.wake_ups - before == 4


class TestRefusals:
    def test_an_engine_that_runs_no_cases_refuses_them_at_upload(self, service, monkeypatch):
        monkeypatch.setattr(service.engine, "refuses_cases", lambda: text("engine.one_input", engine="it"))

        with pytest.raises(Unprocessable, match="it takes one input") as refused:
            _start(service)
        assert refused.value.field == "cases"
        with pytest.raises(Unprocessable, match="it takes one input") as refused:
            service.upload(case_set=parse_case_set_reference("sums"))
        assert refused.value.field == "case_set"

    def test_stdin_beside_cases_is_refused(self, service):
        with pytest.raises(InvalidValue, match="stdin"):
            service.upload(cases=_cases(1), stdin="x")

    def test_stop_on_without_cases_is_refused(self, service):
        with pytest.raises(InvalidValue, match="stop_on"):
            service.upload(stop_on=StopOn.NEVER)


def test_a_job_that_is_run_again_has_the_same_cases(service):
    job_id = _start(service, 3, stop_on=StopOn.FIRST_FAILURE)
    service.run_execution()

    again = service.run_again(ANONYMOUS, job_id)

    cases = _details(service, again.job_id).job.spec.cases
    assert cases == _details(service, job_id).job.spec.cases
    service.delete_job(ANONYMOUS, job_id)
    assert service.run_execution()
    assert service.job(again.job_id).status is JobStatus.SUCCESS


def test_results_are_told_as_they_come(service):
    job_id = _start(service, 3, wrong={1})

    service.run_execution()

    events = [message.body for message in service.relay.offered if message.name == "CasesJudged"]
    told = {case["index"]: case["verdict"] for event in events for case in event["cases"]}
    assert told == {0: "accepted", 1: "wrong_answer", 2: "accepted"}
    assert {event["job_id"] for event in events} == {str(job_id)}


def test_the_cases_of_a_job_are_stored_once_a_tenant(service):
    first, second = _start(service, 3), _start(service, 3)

    specs = [_details(service, job_id).job.spec.cases for job_id in (first, second)]
    assert specs[0] == specs[1]
    manifest = CaseManifest(service.blobs.read(ANONYMOUS.tenant.name, specs[0].manifest))
    assert [case.name for case in manifest] == ["case 0", "case 1", "case 2"]


def test_a_batch_may_have_cases(service):
    commands = [
        UploadCodeCommand(
            project="demo", code="x", language="python", execute=True, cases=_cases(2, wrong={n})
        )
        for n in (0, 5)
    ]

    batch = service.submit_batch(ANONYMOUS, commands)
    while service.run_execution():
        continue

    assert [service.job(job_id).status for job_id in batch.jobs] == [JobStatus.FAILED, JobStatus.SUCCESS]
