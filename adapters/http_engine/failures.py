"""Failures that a runner reports as errors of its own, but that the program or its code causes every time.

Runners answer 500 for them. They count as outcomes: running the program again would end the same way.
"""

from dataclasses import dataclass

from adapters.http_engine.answer import EXIT_CODES, to_utf8
from adapters.http_engine.messages import error_line, shown
from domain.catalogue.text import text
from domain.execution import ExecutionResult, Note, Output
from domain.job_lifecycle import JobStatus, Reason

_MAX_DIGITS = 12
_SIGNALS = range(1, 128)
_COMPILE_OUTPUT_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class _Failure:
    """A kind of failure: the marks that identify it in an error, and its meaning for the job.

    Attributes:
        marks: Lower-case texts that the error contains, all of them and in this order.
        name: The name of the catalogue text for the job's owner. The text may include the number that follows
            the last mark.
    """

    marks: tuple[str, ...]
    reason: Reason
    name: str

    @property
    def status(self) -> JobStatus:
        return JobStatus.TIMEOUT if self.reason is Reason.WALL_TIME_LIMIT else JobStatus.FAILED


# Error messages of Python's subprocess, codecs, json and boto3, of Node's child_process, and of javac.
FAILURES = (
    _Failure(
        ("command ", " timed out after "),
        Reason.WALL_TIME_LIMIT,
        "time_of",
    ),
    _Failure(("timeoutexpired",), Reason.WALL_TIME_LIMIT, "time"),
    _Failure(("process timed out",), Reason.WALL_TIME_LIMIT, "time"),
    _Failure(("program timed out",), Reason.WALL_TIME_LIMIT, "time"),
    _Failure(("execution timeout",), Reason.WALL_TIME_LIMIT, "time"),
    _Failure(("exceeded the time limit",), Reason.WALL_TIME_LIMIT, "time"),
    _Failure(("spawn", "etimedout"), Reason.WALL_TIME_LIMIT, "time"),
    _Failure(("execution timed out",), Reason.WALL_TIME_LIMIT, "time"),
    _Failure(("time limit exceeded",), Reason.WALL_TIME_LIMIT, "time"),
    _Failure(("maxbuffer",), Reason.OUTPUT_LIMIT, "output"),
    _Failure(("spawn", "enobufs"), Reason.OUTPUT_LIMIT, "output"),
    _Failure(("codec can't decode",), Reason.ENGINE_ERROR, "not_utf8"),
    _Failure(("codec can't encode",), Reason.ENGINE_ERROR, "not_utf8"),
    _Failure(("malformedinputexception",), Reason.ENGINE_ERROR, "not_utf8"),
    _Failure(("surrogates not allowed",), Reason.ENGINE_ERROR, "not_utf8"),
    _Failure(("is not json serializable",), Reason.ENGINE_ERROR, "not_json"),
    _Failure(("float values are not json compliant",), Reason.ENGINE_ERROR, "not_json"),
    _Failure(
        ("command ", " returned non-zero exit status "),
        Reason.NONZERO_EXIT,
        "exit_code",
    ),
    _Failure(("command ", " died with <signals.", ": "), Reason.SIGNAL, "signal"),
    _Failure(("nosuchkey",), Reason.ENGINE_ERROR, "no_code"),
    _Failure(("specified key does not exist",), Reason.ENGINE_ERROR, "no_code"),
    _Failure(
        (
            "(404)",
            "headobject operation",
        ),
        Reason.ENGINE_ERROR,
        "no_code",
    ),
    _Failure(("nosuchbucket",), Reason.ENGINE_ERROR, "no_code"),
    _Failure(("accessdenied",), Reason.ENGINE_ERROR, "no_access"),
    _Failure(("access denied",), Reason.ENGINE_ERROR, "no_access"),
    _Failure(("(403)", "headobject operation"), Reason.ENGINE_ERROR, "no_access"),
    _Failure(("unable to locate credentials",), Reason.ENGINE_ERROR, "no_access"),
    _Failure(("compilation failed",), Reason.COMPILE_ERROR, "not_compiled"),
    _Failure(("compilation error",), Reason.COMPILE_ERROR, "not_compiled"),
    _Failure((".java:", ": error:"), Reason.COMPILE_ERROR, "not_compiled"),
    _Failure(
        ("command failed: ",),
        Reason.NONZERO_EXIT,
        "failed",
    ),
)


def recognise(error: str) -> ExecutionResult | None:
    """Return the outcome that a runner's error stands for; None if the runner itself may have failed."""
    line = error_line(error)
    lower = line.lower()
    for failure in FAILURES:
        end = _end_of_marks(lower, failure.marks)
        if end is not None:
            return _result(failure, error, _number_at(lower, end))
    return None


def _end_of_marks(text: str, marks: tuple[str, ...]) -> int | None:
    end = 0
    for mark in marks:
        at = text.find(mark, end)
        if at < 0:
            return None
        end = at + len(mark)
    return end


def _number_at(text: str, begin: int) -> str:
    """Return the number that begins at an offset of a text, or an empty string if there is none."""
    end = begin
    while end < min(len(text), begin + _MAX_DIGITS) and text[end] in "-.0123456789":
        end += 1
    return text[begin:end].rstrip(".")


def _result(failure: _Failure, error: str, number: str) -> ExecutionResult:
    line = shown(error_line(error))
    told = text(f"outcomes.runner_{failure.name}", number=number or text("outcomes.unknown"))
    has_exited = failure.reason is Reason.NONZERO_EXIT
    exit_code = _whole(number, EXIT_CODES) if has_exited else None
    return ExecutionResult(
        status=failure.status,
        reason=failure.reason,
        exit_code=exit_code,
        signal=_whole(number, _SIGNALS) if failure.reason is Reason.SIGNAL else None,
        error=text("outcomes.both", first=told, second=text("outcomes.runner_said", line=line)),
        compile_output=_compile_output(error) if failure.reason is Reason.COMPILE_ERROR else None,
        notes=(Note.EXIT_CODE_UNKNOWN,) if has_exited and exit_code is None else (),
    )


def _compile_output(error: str) -> Output:
    return Output.of_pieces({0: to_utf8(error)}, _COMPILE_OUTPUT_BYTES)


def _whole(number: str, credible: range) -> int | None:
    """Return a number that is credible; a larger one would fit no column."""
    try:
        whole = int(number)
    except ValueError:
        return None
    return whole if whole in credible else None
