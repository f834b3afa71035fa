"""Conversion of the report on a program that was run for a case into the case's result."""

from collections.abc import Callable
from typing import IO

from application.ports.execution_engine import EngineReport
from domain.cases import OUTPUT_HEAD_CHARS, Case, CaseResult, Judgement, Verdict
from domain.verdicts import verdict_without_check

Check = Callable[[Case, IO[bytes] | None], Judgement]


def judge(index: int, case: Case, report: EngineReport, check: Check) -> CaseResult:
    """Return the result of a case whose program has ended, successfully or not.

    Args:
        index: The position of the case in its job.
        case: The case.
        report: The engine's report on the program.
        check: Checks the output if the program ended successfully.

    Raises:
        InvalidValue: The report does not allow a verdict on the program.
    """
    result = report.result
    failure = verdict_without_check(result)
    judgement = check(case, report.stdout) if failure is None else Judgement(verdict=failure)
    is_accepted = judgement.verdict is Verdict.ACCEPTED
    usage = result.resource
    return CaseResult(
        index=index,
        name=case.name,
        verdict=judgement.verdict,
        weight=case.weight,
        hidden=case.hidden,
        time_ms=None if usage is None else usage.execution_time_ms,
        cpu_time_ms=None if usage is None else usage.cpu_time_ms,
        memory_mb=None if usage is None else usage.memory_mb,
        exit_code=result.exit_code,
        signal=result.signal,
        first_time_ms=report.first_time_ms,
        first_processors=tuple(report.first_processors),
        processors=tuple(report.processors),
        points=judgement.points,
        diff=None if case.hidden or judgement.difference is None else str(judgement.difference),
        checker_message=None if case.hidden else judgement.message,
        stdout=None if case.hidden else result.stdout.text[:OUTPUT_HEAD_CHARS],
        stderr=None if case.hidden or is_accepted else result.stderr.text[:OUTPUT_HEAD_CHARS] or None,
    )
