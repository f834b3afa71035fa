"""Cases: verdicts, and the sum of their results."""

import random
from dataclasses import replace

import pytest

from domain.cases import (
    Case,
    CaseResult,
    Difference,
    StopOn,
    Summary,
    Verdict,
    skip_after,
    summarize,
)
from domain.errors import InvalidValue
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus, Reason
from domain.verdicts import is_verdict, verdict_without_check


def _result(index: int, verdict: Verdict = Verdict.ACCEPTED, **fields: object) -> CaseResult:
    return CaseResult(index=index, name=f"case {index}", verdict=verdict, **fields)  # type: ignore[arg-type]


class TestSummary:
    def test_adds_up_the_weights_of_accepted_cases(self) -> None:
        results = [
            _result(0, weight=20.0),
            _result(1, Verdict.WRONG_ANSWER, weight=30.0),
            _result(2, weight=50.0),
        ]

        summary = summarize(results)

        assert (summary.score, summary.max_score) == (70.0, 100.0)
        assert (summary.passed, summary.total) == (2, 3)
        assert summary.first_failure == 1
        assert summary.status is JobStatus.FAILED

    def test_does_not_depend_on_the_order_of_results(self) -> None:
        results = [
            _result(index, random.choice(list(Verdict)), weight=0.1, time_ms=index % 7, memory_mb=index % 5)
            for index in range(50)
        ]
        expected = summarize(results)

        random.shuffle(results)

        assert summarize(results) == expected

    def test_adds_up_the_points_of_checkers(self) -> None:
        results = [
            _result(0, weight=20.0),
            _result(1, Verdict.WRONG_ANSWER, weight=30.0, points=7.5),
            _result(2, Verdict.WRONG_ANSWER, weight=50.0, points=0.0),
        ]

        summary = summarize(results)

        assert [result.score for result in results] == [20.0, 7.5, 0.0]
        assert (summary.score, summary.max_score, summary.passed) == (27.5, 100.0, 1)

    def test_has_no_trace_of_binary_fractions(self) -> None:
        assert summarize([_result(index, weight=0.1) for index in range(3)]).score == 0.3

    def test_finds_the_slowest_and_the_largest_of_the_cases_that_ran(self) -> None:
        results = [
            _result(0, time_ms=5, memory_mb=9.0),
            _result(1, Verdict.TIME_LIMIT, time_ms=1_000, memory_mb=2.0),
            _result(2, Verdict.SKIPPED),
        ]

        summary = summarize(results)

        assert (summary.slowest, summary.largest) == (1, 0)

    def test_a_skipped_case_has_not_passed(self) -> None:
        summary = summarize([_result(0), _result(1, Verdict.SKIPPED)])

        assert not summary.is_passed
        assert summary.first_failure is None

    def test_all_passed_is_success(self) -> None:
        assert summarize([_result(0), _result(1)]).status is JobStatus.SUCCESS

    def test_of_nothing_has_no_slowest(self) -> None:
        assert summarize([]) == Summary(passed=0, total=0, score=0.0, max_score=0.0)


_LIMITS = {
    Reason.WALL_TIME_LIMIT: Verdict.TIME_LIMIT,
    Reason.CPU_TIME_LIMIT: Verdict.TIME_LIMIT,
    Reason.MEMORY_LIMIT: Verdict.MEMORY_LIMIT,
    Reason.OUTPUT_LIMIT: Verdict.OUTPUT_LIMIT,
    Reason.NONZERO_EXIT: Verdict.RUNTIME_ERROR,
    Reason.SIGNAL: Verdict.RUNTIME_ERROR,
    Reason.PROCESS_LIMIT: Verdict.RUNTIME_ERROR,
}


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_a_verdict_or_a_failure_of_the_service(reason: Reason) -> None:
    status = JobStatus.TIMEOUT if reason is Reason.WALL_TIME_LIMIT else JobStatus.FAILED
    result = ExecutionResult(status=status, reason=reason)

    assert is_verdict(result) == (reason in _LIMITS)
    if reason in _LIMITS:
        assert verdict_without_check(result) is _LIMITS[reason]
    else:
        with pytest.raises(InvalidValue, match=reason.value):
            verdict_without_check(result)


def test_a_program_that_ended_well_is_checked() -> None:
    result = ExecutionResult(status=JobStatus.SUCCESS)

    assert is_verdict(result)
    assert verdict_without_check(result) is None


class TestSkipping:
    def test_begins_behind_the_first_failure(self) -> None:
        results = [_result(5, Verdict.TIME_LIMIT), _result(3, Verdict.WRONG_ANSWER), _result(0)]

        assert skip_after(results, StopOn.FIRST_FAILURE) == 3

    def test_never_begins_if_so_asked(self) -> None:
        assert skip_after([_result(0, Verdict.WRONG_ANSWER)], StopOn.NEVER) is None

    def test_of_accepted_cases_does_not_begin(self) -> None:
        assert skip_after([_result(0), _result(1)], StopOn.FIRST_FAILURE) is None

    def test_keeps_name_weight_and_secrecy(self) -> None:
        case = Case(name="large", weight=3.0, hidden=True)

        assert CaseResult.skipped(7, case) == replace(
            _result(7, Verdict.SKIPPED), name="large", weight=3.0, hidden=True
        )


class TestCase:
    @pytest.mark.parametrize("name", ["", "x" * 129, "a\nb", "tab\t", "\x00"])
    def test_has_a_short_printable_name(self, name: str) -> None:
        with pytest.raises(InvalidValue, match="printable"):
            Case(name=name)

    @pytest.mark.parametrize("weight", [-1.0, 1_000_001.0, float("nan"), float("inf")])
    def test_has_a_weight_that_adds_up(self, weight: float) -> None:
        with pytest.raises(InvalidValue, match="weight"):
            Case(name="a", weight=weight)

    def test_has_arguments_that_can_be_passed_on(self) -> None:
        with pytest.raises(InvalidValue, match="args"):
            Case(name="a", args=("a\0b",))


def test_a_difference_is_one_line() -> None:
    assert str(Difference(3, "4\n2", None)) == "line 3: expected '4\\n2', found the end"
