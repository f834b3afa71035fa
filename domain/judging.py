"""The judgement of a caller's program on another one, by the conventions of testlib's exit codes."""

from collections.abc import Mapping

from domain.cases import MESSAGE_MAX_CHARS, Judgement, Verdict
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus, Reason

_VERDICTS: Mapping[int, Verdict] = {
    0: Verdict.ACCEPTED,
    1: Verdict.WRONG_ANSWER,
    2: Verdict.PRESENTATION_ERROR,
}
# Output that goes on behind its end, or ends before it: testlib has exit codes and words of its own for it.
_PRESENTATION: Mapping[int, str] = {4: "wrong output format", 8: "unexpected eof"}
_NOT_PRINTABLE = "\N{REPLACEMENT CHARACTER}"
_FAILURE = "The {name} ended with exit code {code}, which is no verdict"


def judge_by_exit(name: str, result: ExecutionResult) -> Judgement:
    """Return the judgement of a checker or an interactor that has ended.

    Its words are the beginning of its stderr; if it failed, behind the cause.

    Args:
        name: The kind of program, for messages.
        result: How it ended, through its own fault if not well.
    """
    words = _printable(result.stderr.text.strip())
    verdict = _verdict(result, words)
    if verdict is not None:
        return Judgement(verdict=verdict, message=words[:MESSAGE_MAX_CHARS] or None)
    cause = _FAILURE.format(name=name, code=result.exit_code)
    if result.reason is not Reason.NONZERO_EXIT:
        cause = (
            (result.error_message or f"{result.reason}").rstrip(".").replace("The program", f"The {name}", 1)
        )
    message = f"{cause}: {words}" if words else f"{cause}."
    return Judgement(verdict=Verdict.CHECKER_FAILED, message=message[:MESSAGE_MAX_CHARS])


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
    """Return a text without characters that do not print, but for ends of lines."""
    return "".join(each if each.isprintable() or each == "\n" else _NOT_PRINTABLE for each in text)
