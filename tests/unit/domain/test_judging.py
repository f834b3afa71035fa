"""Judgements by the exit codes of checkers and interactors."""

import pytest

from domain.cases import MESSAGE_MAX_CHARS, Judgement, Verdict
from domain.execution import ExecutionResult, Output
from domain.job_lifecycle import JobStatus, Reason
from domain.judging import judge_by_exit


def ended(code: int, words: str = "", reason: Reason = Reason.NONZERO_EXIT) -> ExecutionResult:
    stderr = Output(words, len(words), truncated=False)
    if code == 0:
        return ExecutionResult(status=JobStatus.SUCCESS, exit_code=0, stderr=stderr)
    return ExecutionResult(
        status=JobStatus.FAILED,
        reason=reason,
        exit_code=code,
        stderr=stderr,
        error="The program was killed.",
    )


@pytest.mark.parametrize(
    ("code", "words", "verdict"),
    [
        (0, "ok 3 numbers", Verdict.ACCEPTED),
        (1, "wrong answer 1st differs", Verdict.WRONG_ANSWER),
        (2, "", Verdict.PRESENTATION_ERROR),
        (4, "wrong output format Extra information in the output file", Verdict.PRESENTATION_ERROR),
        (8, "unexpected eof token expected", Verdict.PRESENTATION_ERROR),
    ],
)
def test_an_exit_code_of_testlib_is_a_verdict_with_its_words(code: int, words: str, verdict: Verdict) -> None:
    assert judge_by_exit("checker", ended(code, words)) == Judgement(verdict=verdict, message=words or None)


@pytest.mark.parametrize("code", [3, 4, 5, 6, 7, 8, 42, 255])
def test_another_exit_code_is_a_failure_of_the_checker(code: int) -> None:
    judgement = judge_by_exit("checker", ended(code, "fail the jury's answer is wrong"))
    assert judgement.verdict is Verdict.CHECKER_FAILED
    assert judgement.message == (
        f"The checker ended with exit code {code}, which is no verdict: fail the jury's answer is wrong"
    )


@pytest.mark.parametrize(
    ("words", "weight", "verdict", "points"),
    [
        ("points 2.5 near", 4.0, Verdict.WRONG_ANSWER, 2.5),
        ("points 0 far", 4.0, Verdict.WRONG_ANSWER, 0.0),
        ("points 4.0 there", 4.0, Verdict.ACCEPTED, None),
        ("points 100", 4.0, Verdict.ACCEPTED, None),
        ("points 0", 0.0, Verdict.WRONG_ANSWER, 0.0),
    ],
)
def test_points_are_a_part_of_the_weight(
    words: str, weight: float, verdict: Verdict, points: float | None
) -> None:
    judgement = judge_by_exit("checker", ended(7, words), weight)
    assert judgement == Judgement(verdict=verdict, message=words, points=points)


@pytest.mark.parametrize(
    "words",
    ["points -1", "points nan", "points 1e9", "points", "2 points", "points 1x", "points " + "9" * 10],
)
def test_points_that_are_no_number_are_a_failure_of_the_checker(words: str) -> None:
    assert judge_by_exit("checker", ended(7, words)).verdict is Verdict.CHECKER_FAILED


def test_points_are_those_of_exit_code_7_alone() -> None:
    assert judge_by_exit("checker", ended(1, "points 1")).verdict is Verdict.WRONG_ANSWER
    assert judge_by_exit("checker", ended(7, "points 1", Reason.SIGNAL)).verdict is Verdict.CHECKER_FAILED


@pytest.mark.parametrize("reason", [Reason.WALL_TIME_LIMIT, Reason.SIGNAL, Reason.OUTPUT_LIMIT])
def test_a_checker_that_was_killed_has_failed_whatever_it_would_have_returned(reason: Reason) -> None:
    judgement = judge_by_exit("interactor", ended(1, "wrong answer", reason))
    assert judgement.verdict is Verdict.CHECKER_FAILED
    assert judgement.message == "The interactor was killed: wrong answer"


def test_words_are_bounded_and_printable() -> None:
    message = judge_by_exit("checker", ended(1, "a\x1b[31m\0\nb" + "x" * 9_999)).message
    assert message is not None
    assert message.startswith("a\ufffd[31m\ufffd\nb")
    assert len(message) == MESSAGE_MAX_CHARS
