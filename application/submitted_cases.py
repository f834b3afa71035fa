"""The cases of an upload, validated and packed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from application.case_manifest import CaseContent, manifest_pieces, size_of
from application.file_spool import FileSpool
from application.new_files import BlobContent, NewBlob, NewFile
from domain.cases import Case, JobCases, StopOn
from domain.catalogue.text import text
from domain.errors import InvalidValue, TooLarge
from domain.limits import LimitPolicy
from domain.submission_limits import SubmissionLimits

T = TypeVar("T")

# A larger manifest is written to this machine's disk, because it may be much larger than the upload.
_IN_MEMORY_BYTES = 1 << 20
# Builds belong to the job, not to a case.
_OF_BUILD = frozenset({"build_timeout_ms", "build_cpu_time_ms"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCase:
    """A case as a caller sent it.

    Attributes:
        name: Its name; None to use its number.
        stdin_file: The path of a file of the upload that is its input, instead of `stdin`.
        expected_file: The path of a file of the upload that is its expected output, instead of `expected`.
        limits: The limits that differ from the job's, by their names in `Limits`.
    """

    name: str | None = None
    stdin: CaseContent = b""
    args: tuple[str, ...] | None = None
    expected: CaseContent | None = None
    weight: float = 1.0
    limits: Mapping[str, int] = field(default_factory=dict)
    hidden: bool = False
    stdin_file: str | None = None
    expected_file: str | None = None


def with_files(
    cases: Sequence[NewCase], files: Sequence[NewFile], bounds: SubmissionLimits
) -> tuple[tuple[NewCase, ...], tuple[NewFile, ...]]:
    """Fill cases with the contents of the files that they name; return them, and the remaining files.

    The files of cases are withheld from the program, which could otherwise read the answers.

    Raises:
        InvalidValue: A file does not exist; the field names the case.
        TooLarge: The files exceed the maximum size of a job's cases.
    """
    by_path = {file.path: file.blob for file in files}
    named: set[str] = set()
    size = 0

    def content(index: int, name: str, path: str | None, given: CaseContent | None) -> CaseContent | None:
        nonlocal size
        if path is None:
            return given
        if given:
            raise InvalidValue(f"cases/{index}/{name}", text("problems.instead_of_text"))
        if path not in by_path:
            raise InvalidValue(f"cases/{index}/{name}", text("problems.case_file_missing"))
        named.add(path)
        size += by_path[path].ref.size
        if size > bounds.cases_bytes:
            raise TooLarge("cases", text("problems.bytes_allowed_together", allowed=bounds.cases_bytes))
        return by_path[path]

    filled = tuple(
        replace(
            case,
            stdin=content(index, "stdin_file", case.stdin_file, case.stdin) or b"",
            expected=content(index, "expected_file", case.expected_file, case.expected),
            stdin_file=None,
            expected_file=None,
        )
        for index, case in enumerate(cases)
    )
    return filled, tuple(file for file in files if file.path not in named)


def submit(
    given: Sequence[NewCase], stop_on: StopOn, bounds: SubmissionLimits, policy: LimitPolicy
) -> tuple[JobCases, BlobContent]:
    """Validate cases; return a reference to them, and the content that has to be stored.

    Raises:
        InvalidValue: There are no cases or too many, or a case breaks a rule; the field names its index.
        TooLarge: The cases exceed the maximum size of a job's cases.
    """
    cases = checked(given, bounds, policy)
    pieces = manifest_pieces(cases, [(case.stdin, case.expected) for case in given])
    if sum(size_of(case.stdin) + size_of(case.expected) for case in given) > _IN_MEMORY_BYTES:
        manifest = FileSpool().add(pieces)
    else:
        manifest = NewBlob.of(b"".join(pieces))
    content = b"" if manifest.content is None else manifest.content
    return JobCases(manifest=manifest.ref, total=len(given), stop_on=stop_on), content


def checked(given: Sequence[NewCase], bounds: SubmissionLimits, policy: LimitPolicy) -> Sequence[Case]:
    """Validate cases; return them without their contents.

    Raises:
        InvalidValue: There are no cases or too many, or a case breaks a rule; the field names its index.
        TooLarge: The cases exceed the maximum size of a job's cases.
    """
    if not given or len(given) > bounds.cases:
        raise InvalidValue("cases", text("problems.cases_count", maximum=bounds.cases, count=len(given)))
    size = sum(size_of(case.stdin) + size_of(case.expected) for case in given)
    if size > bounds.cases_bytes:
        raise TooLarge("cases", text("problems.bytes_together", size=size, allowed=bounds.cases_bytes))
    cases = [
        _of(index, lambda case=case, index=index: _case(case, index, bounds, policy))  # type: ignore[misc]
        for index, case in enumerate(given)
    ]
    known: dict[str, int] = {}
    for index, case in enumerate(cases):
        earlier = known.setdefault(case.name, index)
        if earlier != index:
            raise InvalidValue(f"cases/{index}/name", text("problems.case_name_twice", earlier=earlier))
    return cases


def _case(given: NewCase, index: int, bounds: SubmissionLimits, policy: LimitPolicy) -> Case:
    for name in ("stdin_file", "expected_file"):
        if getattr(given, name) is not None:
            raise InvalidValue(name, text("problems.file_of_upload"))
    for name in given.limits:
        if name in _OF_BUILD:
            raise InvalidValue(f"limits/{name}", text("problems.limit_of_job"))
    try:
        policy.resolve(given.limits)
    except InvalidValue as error:
        raise InvalidValue(f"limits/{error.field}", error.detail) from None
    bounds.check_arguments(given.args or ())
    return Case(
        name=str(index + 1) if given.name is None else given.name,
        args=given.args,
        weight=given.weight,
        limits=given.limits,
        hidden=given.hidden,
    )


def _of(index: int, make: Callable[[], T]) -> T:
    """Return the result of `make`, adding the case's index to its error.

    Raises:
        InvalidValue: The error of `make`.
    """
    try:
        return make()
    except InvalidValue as error:
        raise type(error)(f"cases/{index}/{error.field}", error.detail) from None
