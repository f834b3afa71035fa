"""The judge of a job's cases: runs the program for a case, and has its output checked."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from io import BytesIO
from typing import IO

from application.judge import Check, judge
from application.judge_trees import JudgeTrees
from application.ports.execution_engine import (
    BuiltProgram,
    CaseInput,
    EngineReport,
    ExecutionEngine,
    ExecutionObserver,
    ExecutionRequest,
    KnownBuilds,
    no_builds,
)
from application.ports.output_feed import OutputChunk
from domain.cases import ACCEPTED, MESSAGE_MAX_CHARS, Case, CaseResult, JobCases, Judgement, Verdict
from domain.checker import Checker, JudgeProgram
from domain.checking import compare
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus, Reason
from domain.judging import judge_by_exit
from domain.limits import Limits
from domain.submission import JobSpec
from domain.tenant import TenantName
from domain.verdicts import is_verdict

_MIB = 1 << 20
_NOT_RUN = ExecutionResult(status=JobStatus.SUCCESS)
_FAULTS_OF_BUILD = frozenset({Reason.COMPILE_ERROR, Reason.BUILD_LIMIT})
_INPUT, _OUTPUT, _ANSWER = ".case/input", ".case/output", ".case/answer"
_SIGPIPE = 13


class NotJudged(Exception):
    """The engine failed to run a judge, or the judge was cancelled; `result` is the engine's."""

    def __init__(self, result: ExecutionResult) -> None:
        super().__init__(result.error_message)
        self.result = result


class CaseJudge:
    """Runs a built program for cases, and judges them.

    * A checker program or an interactor is built once and run in a separate sandbox for each case, with
      separate limits. It gets the paths of the input, the program's output and the answer.
    * If it does not build or fails in any other way, the verdict of its cases is `checker_failed`, with the
      output of its compiler or its stderr.

    Args:
        program: The program.
        check: Checks an output.
        interactor: The interactor, or the judgement if it could not be built; None if there is none.
        limits: The limits of the interactor.
        held: Closes all programs.
        judges: The built checker or interactor.
    """

    def __init__(
        self,
        program: BuiltProgram,
        check: Check,
        interactor: BuiltProgram | Judgement | None,
        limits: Limits,
        held: ExitStack,
        judges: Sequence[BuiltProgram] = (),
    ) -> None:
        self.program = program
        self.judges = judges
        self._check = check
        self._interactor = interactor
        self._limits = limits
        self._held = held

    def run(self, index: int, case: Case, given: CaseInput) -> CaseResult | ExecutionResult:
        """Run the program for a case; return the engine's result if there is no verdict."""
        try:
            if self._interactor is None:
                with self.program.run(given) as report:
                    if not is_verdict(report.result):
                        return report.result
                    return judge(index, case, report, self._check)
            return self._interact(index, case, given, self._interactor)
        except NotJudged as error:
            return error.result

    def close(self) -> None:
        """Close the programs."""
        self._held.close()

    def _interact(
        self, index: int, case: Case, given: CaseInput, interactor: BuiltProgram | Judgement
    ) -> CaseResult | ExecutionResult:
        if isinstance(interactor, Judgement):
            return judge(index, case, EngineReport(_NOT_RUN), lambda *_: interactor)
        files = {_INPUT: given.stdin, _ANSWER: case.expected or b""}
        # The interactor waits for the program, which may use all of its time.
        timeout_ms = self._limits.timeout_ms + given.limits.timeout_ms
        limits = replace(self._limits, timeout_ms=timeout_ms)
        other = CaseInput(
            stdin=b"", args=(_INPUT, _OUTPUT, _ANSWER), limits=with_room(limits, files), files=files
        )
        ended = self.program.interact(replace(given, stdin=b""), interactor, other)
        with ended.report as report, ended.other as other_report:
            judgement = _judged("interactor", other_report.result, case)
            if not ended.is_first and judgement.verdict is not Verdict.ACCEPTED:
                # The program may have failed because its interactor ended first.
                return judge(index, case, replace(report, result=_ended(report.result)), lambda *_: judgement)
            result = report.result
            if result.signal == _SIGPIPE and not ended.is_first:
                result = _ended(result)
            if not is_verdict(result):
                return result
            return judge(index, case, replace(report, result=result), lambda *_: judgement)


class CaseJudges:
    """Builds the judges of jobs.

    Args:
        engine: Builds and runs the programs.
        limits: The limits of checkers and interactors.
    """

    def __init__(self, engine: ExecutionEngine, limits: Limits) -> None:
        self._engine = engine
        self._limits = limits
        self._trees = JudgeTrees()

    def open(
        self,
        request: ExecutionRequest,
        tenant: TenantName,
        cases: JobCases,
        program: BuiltProgram,
        known: KnownBuilds = no_builds,
    ) -> CaseJudge:
        """Return the judge of a job, which also closes the program.

        Args:
            request: The request of the job's program.
            tenant: The job's tenant.
            cases: The job's cases.
            program: The job's program.
            known: Looks up an earlier build of a judge.

        Raises:
            NotJudged: The engine could not build a judge, through no fault of the judge.
        """
        with ExitStack() as held:
            held.callback(program.close)
            checker, interactor = cases.checker, None
            if cases.interactor is not None:
                interactor = self._build("interactor", request, tenant, cases.interactor, held, known)
            judge, check = interactor, _comparison(checker)
            if checker.program is not None and interactor is None:
                judge = self._build("checker", request, tenant, checker.program, held, known)
                check = self._check_by(judge)
            judges = [judge] if isinstance(judge, BuiltProgram) else []
            return CaseJudge(program, check, interactor, self._limits, held.pop_all(), judges)

    def _build(
        self,
        name: str,
        request: ExecutionRequest,
        tenant: TenantName,
        program: JudgeProgram,
        held: ExitStack,
        known: KnownBuilds,
    ) -> BuiltProgram | Judgement:
        spec = JobSpec(
            code_key=program.code.key(tenant),
            language=program.language,
            limits=self._limits,
            code_bytes=program.code.size,
            entry=program.entry,
            files=program.files,
        )
        wanted = ExecutionRequest(
            execution_id=request.execution_id, job_id=request.job_id, spec=spec, stdin="", tenant=tenant
        )
        kept = self._trees.get(tenant, program)
        built = self._engine.build(wanted, NoObserver(), kept, known)
        if isinstance(built, BuiltProgram):
            held.callback(built.close)
            if kept is None and built.tree is not None:
                self._trees.put(tenant, program, built.tree)
            return built
        result = built.result
        if result.reason not in _FAULTS_OF_BUILD or built.is_lost or built.is_startable:
            raise NotJudged(result)
        written = "" if result.compile_output is None else result.compile_output.text
        message = f"The {name} does not build: {(written or result.error_message or '').strip()}"
        return Judgement(verdict=Verdict.CHECKER_FAILED, message=message[:MESSAGE_MAX_CHARS])

    def _check_by(self, checker: BuiltProgram | Judgement) -> Check:
        if isinstance(checker, Judgement):
            return lambda _case, _stdout: checker

        def check(case: Case, stdout: IO[bytes] | None) -> Judgement:
            output = b"" if stdout is None else stdout.read()
            files = {_INPUT: case.stdin, _OUTPUT: output, _ANSWER: case.expected or b""}
            given = CaseInput(
                stdin=b"", args=tuple(files), limits=with_room(self._limits, files), files=files
            )
            with checker.run(given) as report:
                return _judged("checker", report.result, case)

        return check


class NoObserver(ExecutionObserver):
    """Ignores the observations of a build that does not start an execution."""

    def started(self) -> None:
        """Ignore the start."""

    def output(self, chunk: OutputChunk) -> None:
        """Ignore output."""


def with_room(limits: Limits, files: Mapping[str, bytes]) -> Limits:
    """Return limits raised by the size of files that are held in memory."""
    needed_mb = -(-sum(map(len, files.values())) // _MIB)
    return replace(limits, disk_mb=limits.disk_mb + needed_mb, memory_mb=limits.memory_mb + needed_mb)


def _comparison(checker: Checker) -> Check:
    def check(case: Case, stdout: IO[bytes] | None) -> Judgement:
        if case.expected is None:
            return ACCEPTED
        return compare(checker, BytesIO(case.expected), BytesIO() if stdout is None else stdout)

    return check


def _judged(name: str, result: ExecutionResult, case: Case) -> Judgement:
    if not is_verdict(result):
        raise NotJudged(result)
    return judge_by_exit(name, result, case.weight)


def _ended(result: ExecutionResult) -> ExecutionResult:
    """Return the result of a program whose failure is not its own fault."""
    return ExecutionResult(status=JobStatus.SUCCESS, resource=result.resource)
