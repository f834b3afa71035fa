"""The judgement of a judge program, by testlib's exit codes."""

import re
from collections.abc import Mapping

from domain.cases import MESSAGE_MAX_CHARS, Judgement, Verdict
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus, Reason

_VERDICTS: Mapping[int, Verdict] = {
    0: Verdict.ACCEPTED,
    1: Verdict.WRONG_ANSWER,
    2: Verdict.PRESENTATION_ERROR,
}
# Output that is too long or too short; testlib has its own exit codes and messages for it.
_PRESENTATION: Mapping[int, str] = {4: "wrong output format", 8: "unexpected eof"}
# The exit code and message with which testlib's quitp() gives points, with a limited number of digits.
_POINTS_CODE = 7
_POINTS = re.compile(r"points (\d{1,9}(?:\.\d{1,12})?)(?!\S)", re.ASCII)
_NOT_PRINTABLE = "\N{REPLACEMENT CHARACTER}"
_FAILURE = "The {name} ended with exit code {code}, which is no verdict"


def judge_by_exit(name: str, result: ExecutionResult, weight: float = 1.0) -> Judgement:
    """Return the judgement of a checker or an interactor that has ended.

    The message is the beginning of its stderr, preceded by the cause if it failed. Points are a part of the
    case's weight: if they reach the weight, the program is accepted; otherwise its answer is wrong and the
    points count.

    Args:
        name: The kind of program, for messages.
        result: How it ended; if it failed, then through its own fault.
        weight: The weight of the case.
    """
    words = _printable(result.stderr.text.strip())
    message = words[:MESSAGE_MAX_CHARS] or None
    points = _points(result, words)
    if points is not None:
        is_all = 0 < points >= weight
        verdict = Verdict.ACCEPTED if is_all else Verdict.WRONG_ANSWER
        return Judgement(verdict=verdict, message=message, points=None if is_all else min(points, weight))
    known = _verdict(result, words)
    if known is not None:
        return Judgement(verdict=known, message=message)
    cause = _FAILURE.format(name=name, code=result.exit_code)
    if result.reason is not Reason.NONZERO_EXIT:
        cause = (
            (result.error_message or f"{result.reason}").rstrip(".").replace("The program", f"The {name}", 1)
        )
    failure = f"{cause}: {words}" if words else f"{cause}."
    return Judgement(verdict=Verdict.CHECKER_FAILED, message=failure[:MESSAGE_MAX_CHARS])


def _points(result: ExecutionResult, words: str) -> float | None:
    """Return the points that a checker gave; None if it gave none."""
    if result.reason is not Reason.NONZERO_EXIT or result.exit_code != _POINTS_CODE:
        return None
    found = _POINTS.match(words)
    return None if found is None else float(found[1])


def _verdict(result: ExecutionResult, words: str) -> Verdict | None:
    if result.status is JobStatus.SUCCESS:
        return Verdict.ACCEPTED
    if result.reason is not Reason.NONZERO_EXIT or result.exit_code is None:
        return None
    mark = _PRESENTATION.get(result.exit_code)
    if mark is not None and words.lower().startswith(mark):
        return Verdict.PRESENTATION_ERROR
    return _VERDICTS.get(result.exit_code)


def _printable(text: str) -> str:
    """Return a text in which unprintable characters, except for line ends, are replaced."""
    return "".join(each if each.isprintable() or each == "\n" else _NOT_PRINTABLE for each in text)
