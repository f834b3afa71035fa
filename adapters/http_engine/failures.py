"""Failures that a runner reports as its own, and that the program or its code causes each time it is run.

Runners answer 500 for them. They are outcomes: to run the program again would end the same way.
"""

from dataclasses import dataclass

from adapters.http_engine.answer import to_utf8
from adapters.http_engine.messages import error_line, shown
from domain.execution import ExecutionResult, Note, Output
from domain.job_lifecycle import JobStatus, Reason

_MAX_DIGITS = 12
_COMPILE_OUTPUT_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class _Failure:
    """A kind of failure: its marks in an error, and its meaning for the job.

    Attributes:
        marks: Texts, in lower case, that all stand in the error, in this order.
        message: A sentence for the job's owner; `{}` is the number behind the last mark.
    """

    marks: tuple[str, ...]
    reason: Reason
    message: str

    @property
    def status(self) -> JobStatus:
        return JobStatus.TIMEOUT if self.reason is Reason.WALL_TIME_LIMIT else JobStatus.FAILED


_NO_CODE = "The runner did not find the program's code in its object store."
_NO_ACCESS = "The runner's object store refused it."
_NOT_UTF8 = "The runner could not pass the program's output on, which is not UTF-8."
_NOT_JSON = "The runner could not put the program's outcome into JSON."
_RAN_TOO_LONG = "The runner ended the program after a time limit of its own."
_WROTE_TOO_MUCH = "The program wrote more than the runner takes, which ended it."
_CODE_DOES_NOT_COMPILE = "The runner reports that the code does not compile."

# In the words of Python's subprocess, codecs, json and boto3, of Node's child_process, and of javac.
_FAILURES = (
    _Failure(
        ("command ", " timed out after "),
        Reason.WALL_TIME_LIMIT,
        "The runner ended the program after a time limit of its own, {} s.",
    ),
    _Failure(("timeoutexpired",), Reason.WALL_TIME_LIMIT, _RAN_TOO_LONG),
    _Failure(("process timed out",), Reason.WALL_TIME_LIMIT, _RAN_TOO_LONG),
    _Failure(("program timed out",), Reason.WALL_TIME_LIMIT, _RAN_TOO_LONG),
    _Failure(("execution timeout",), Reason.WALL_TIME_LIMIT, _RAN_TOO_LONG),
    _Failure(("exceeded the time limit",), Reason.WALL_TIME_LIMIT, _RAN_TOO_LONG),
    _Failure(("spawn", "etimedout"), Reason.WALL_TIME_LIMIT, _RAN_TOO_LONG),
    _Failure(("execution timed out",), Reason.WALL_TIME_LIMIT, _RAN_TOO_LONG),
    _Failure(("time limit exceeded",), Reason.WALL_TIME_LIMIT, _RAN_TOO_LONG),
    _Failure(("maxbuffer",), Reason.OUTPUT_LIMIT, _WROTE_TOO_MUCH),
    _Failure(("spawn", "enobufs"), Reason.OUTPUT_LIMIT, _WROTE_TOO_MUCH),
    _Failure(("codec can't decode",), Reason.ENGINE_ERROR, _NOT_UTF8),
    _Failure(("codec can't encode",), Reason.ENGINE_ERROR, _NOT_UTF8),
    _Failure(("malformedinputexception",), Reason.ENGINE_ERROR, _NOT_UTF8),
    _Failure(("surrogates not allowed",), Reason.ENGINE_ERROR, _NOT_UTF8),
    _Failure(("is not json serializable",), Reason.ENGINE_ERROR, _NOT_JSON),
    _Failure(("float values are not json compliant",), Reason.ENGINE_ERROR, _NOT_JSON),
    _Failure(
        ("command ", " returned non-zero exit status "),
        Reason.NONZERO_EXIT,
        "The program ended with exit code {}.",
    ),
    _Failure(
        ("command ", " died with <signals.", ": "), Reason.SIGNAL, "The program was ended by signal {}."
    ),
    _Failure(("nosuchkey",), Reason.ENGINE_ERROR, _NO_CODE),
    _Failure(("specified key does not exist",), Reason.ENGINE_ERROR, _NO_CODE),
    _Failure(
        (
            "(404)",
            "headobject operation",
        ),
        Reason.ENGINE_ERROR,
        _NO_CODE,
    ),
    _Failure(("nosuchbucket",), Reason.ENGINE_ERROR, _NO_CODE),
    _Failure(("accessdenied",), Reason.ENGINE_ERROR, _NO_ACCESS),
    _Failure(("access denied",), Reason.ENGINE_ERROR, _NO_ACCESS),
    _Failure(("(403)", "headobject operation"), Reason.ENGINE_ERROR, _NO_ACCESS),
    _Failure(("unable to locate credentials",), Reason.ENGINE_ERROR, _NO_ACCESS),
    _Failure(("compilation failed",), Reason.COMPILE_ERROR, _CODE_DOES_NOT_COMPILE),
    _Failure(("compilation error",), Reason.COMPILE_ERROR, _CODE_DOES_NOT_COMPILE),
    _Failure((".java:", ": error:"), Reason.COMPILE_ERROR, _CODE_DOES_NOT_COMPILE),
    _Failure(
        ("command failed: ",),
        Reason.NONZERO_EXIT,
        "The runner reports that the program failed, and gives no exit code.",
    ),
)


def recognise(error: str) -> ExecutionResult | None:
    """Return the outcome that an error of a runner stands for; None if the runner itself may have failed."""
    line = error_line(error)
    lower = line.lower()
    for failure in _FAILURES:
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
    """Return the number that stands in a text; empty if there is none."""
    end = begin
    while end < min(len(text), begin + _MAX_DIGITS) and text[end] in "-.0123456789":
        end += 1
    return text[begin:end].rstrip(".")


def _result(failure: _Failure, error: str, number: str) -> ExecutionResult:
    line = shown(error_line(error))
    message = failure.message.format(number or "unknown")
    whole = _whole(number)
    return ExecutionResult(
        status=failure.status,
        reason=failure.reason,
        exit_code=whole if failure.reason is Reason.NONZERO_EXIT else None,
        signal=whole if failure.reason is Reason.SIGNAL else None,
        error_message=f"{message} It said: {line}.",
        compile_output=_compile_output(error) if failure.reason is Reason.COMPILE_ERROR else None,
        notes=(Note.EXIT_CODE_UNKNOWN,) if failure.reason is Reason.NONZERO_EXIT and whole is None else (),
    )


def _compile_output(error: str) -> Output:
    return Output.of_pieces({0: to_utf8(error)}, _COMPILE_OUTPUT_BYTES)


def _whole(number: str) -> int | None:
    try:
        return int(number)
    except ValueError:
        return None
