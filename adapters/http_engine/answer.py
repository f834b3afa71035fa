"""Parsing of runners' answers: tolerant of the format, strict about the values."""

import json
import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from adapters.common.overflow_file import IN_MEMORY_BYTES
from adapters.http_engine.engine_errors import MayHaveStarted
from adapters.http_engine.messages import error_line, shown
from adapters.http_engine.python_literal import read_literal
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.execution import ResourceUsage
from domain.values import ObjectKey

# Python literals are parsed character by character, so only answers up to this size are parsed.
LITERAL_MAX_BYTES = 64 << 10
# The largest figure accepted from a runner: a larger one is no measurement, and fits no column.
MAX_FIGURE = 2**31 - 1
# Signed on POSIX; unsigned on Windows, for example 0xC0000005 for an access violation.
EXIT_CODES = range(-(2**31), 2**32)
LOG_PREFIX = "logs/"

_large_answer = Lock()
_OUTCOME_FIELDS = {"stdout", "stderr", "exit_code"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerAnswer:
    """A runner's answer about a program that has ended.

    A field is None if its value is missing or not credible.

    Attributes:
        is_exit_code_readable: Whether the exit code is missing, or a number in range.
    """

    stdout: bytes
    stderr: bytes
    exit_code: int | None
    is_exit_code_readable: bool
    resource: ResourceUsage | None
    log_key: ObjectKey | None


@contextmanager
def reading(size: int) -> Iterator[None]:
    """Let only one thread at a time read a large answer.

    Reading takes up to ten times the memory of the answer.

    Args:
        size: The size of the answer in bytes.
    """
    if size <= IN_MEMORY_BYTES:
        yield
        return
    with _large_answer:
        yield


def believe(fields: Mapping[str, Any], expected: Mapping[str, str]) -> RunnerAnswer:
    """Return the credible part of an answer's fields.

    Raises:
        MayHaveStarted: The fields are no outcome of a program, or the outcome of another job.
    """
    if not _OUTCOME_FIELDS & fields.keys():
        error = error_in(fields)
        if error is None:
            raise MayHaveStarted(text("outcomes.no_outcome"))
        raise MayHaveStarted(text("outcomes.no_outcome_said", said=shown(error_line(error))))
    for name, value in expected.items():
        if fields.get(name) is not None and str(fields[name]) != value:
            raise MayHaveStarted(text("outcomes.other_job", name=name))
    sent = fields.get("exit_code")
    exit_code = _exit_code(sent)
    return RunnerAnswer(
        stdout=_bytes(fields.get("stdout")),
        stderr=_bytes(fields.get("stderr")),
        exit_code=exit_code,
        is_exit_code_readable=sent is None or exit_code is not None,
        resource=_resource(fields),
        log_key=_log_key(fields.get("log_key")),
    )


def names_one_of(fields: Mapping[str, Any], names: Collection[str]) -> bool:
    """Whether an answer has one of these fields, which identify its job."""
    return any(fields.get(name) is not None for name in names)


def error_in(fields: Mapping[str, Any]) -> str | None:
    """Return the error that an answer has in place of an outcome; None if there is none."""
    error = fields.get("error")
    return error if isinstance(error, str) and not _OUTCOME_FIELDS & fields.keys() else None


def parse(body: bytes) -> Mapping[str, Any]:
    """Parse an answer to its fields.

    Raises:
        MayHaveStarted: The answer cannot be parsed.
    """
    document = body.decode("utf-8-sig", "replace")
    for read in (json.loads, _literal):
        try:
            parsed = read(document)
        except (ValueError, RecursionError, MemoryError):
            continue
        if isinstance(parsed, dict):
            return parsed
    raise MayHaveStarted(text("outcomes.unreadable_answer"))


def to_utf8(text: str) -> bytes:
    """Encode a text as UTF-8; unpaired surrogates become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _literal(text: str) -> object:
    if len(text) > LITERAL_MAX_BYTES:
        raise ValueError("too large for a literal")
    return read_literal(text)


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):  # from a Python literal
        return to_utf8(value.decode("utf-8", "replace"))
    return b"" if value is None else to_utf8(str(value))


def _number(value: object) -> float | None:
    """Parse a figure; some runners send figures as strings."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _figure(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and 0 <= number <= MAX_FIGURE else None


def _exit_code(value: object) -> int | None:
    number = _number(value)
    if number is None or not number.is_integer():
        return None
    return int(number) if int(number) in EXIT_CODES else None


def _resource(fields: Mapping[str, Any]) -> ResourceUsage | None:
    time_ms = _figure(fields.get("execution_time_ms"))
    usage = ResourceUsage(
        execution_time_ms=None if time_ms is None else round(time_ms),
        cpu_percent=_figure(fields.get("cpu_percent")),
        memory_mb=_figure(fields.get("memory_mb")),
    )
    return None if usage == ResourceUsage() else usage


def _log_key(value: object) -> ObjectKey | None:
    if not isinstance(value, str) or not value.startswith(LOG_PREFIX):
        return None
    try:
        return ObjectKey(value)
    except InvalidValue:
        return None
