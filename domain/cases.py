"""The cases of a job: many inputs of one program, their verdicts, and the total score."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from domain.blob import BlobRef
from domain.catalogue.text import text
from domain.checker import DEFAULT_CHECKER, Checker, JudgeProgram
from domain.errors import InvalidValue
from domain.job_lifecycle import JobStatus

NAME_MAX_CHARS = 128
MAX_WEIGHT = 1_000_000
# The maximum lengths of the stored beginnings of a case's stdout and stderr, and of a checker's message.
OUTPUT_HEAD_CHARS = 1_024
MESSAGE_MAX_CHARS = 500


class Verdict(StrEnum):
    """The outcome of one case."""

    ACCEPTED = "accepted"
    WRONG_ANSWER = "wrong_answer"
    PRESENTATION_ERROR = "presentation_error"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    RUNTIME_ERROR = "runtime_error"
    CHECKER_FAILED = "checker_failed"
    SKIPPED = "skipped"


class StopOn(StrEnum):
    """When the remaining cases of a job are skipped."""

    FIRST_FAILURE = "first_failure"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCases:
    """The cases of a job, by reference.

    Attributes:
        manifest: All of its cases, in one blob.
        total: The number of cases.
        checker: Compares the program's outputs with the expected ones.
        interactor: Communicates with the program by pipes, instead of a checker; None if there is none.
        case_set: The case set and version that they were taken from, as `name@version`; None for the job's
            own cases.
    """

    manifest: BlobRef
    total: int
    stop_on: StopOn = StopOn.NEVER
    checker: Checker = DEFAULT_CHECKER
    interactor: JudgeProgram | None = None
    case_set: str | None = None

    @property
    def blobs(self) -> frozenset[BlobRef]:
        """The blobs of the cases and of their judges."""
        programs = (self.checker.program, self.interactor)
        return frozenset({self.manifest}).union(*(each.blobs for each in programs if each is not None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One input of a program, with the expected output.

    Attributes:
        name: The name, unique among the cases of a job.
        args: The program's arguments; None for the job's own.
        expected: The expected output; None if every program that ends successfully is accepted, or if the
            checker needs no answer.
        limits: The limits that differ from the job's, by name.
        hidden: Whether callers see only the verdict and the figures of the case.

    Raises:
        InvalidValue: A value breaks its rule.
    """

    name: str
    stdin: bytes = b""
    args: tuple[str, ...] | None = None
    expected: bytes | None = None
    weight: float = 1.0
    limits: Mapping[str, int] = field(default_factory=dict)
    hidden: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= NAME_MAX_CHARS or not self.name.isprintable():
            raise InvalidValue("name", text("problems.printable_length", maximum=NAME_MAX_CHARS))
        if not 0 <= self.weight <= MAX_WEIGHT:
            raise InvalidValue("weight", text("problems.from_0", maximum=MAX_WEIGHT))
        if any("\0" in argument for argument in self.args or ()):
            raise InvalidValue("args", text("problems.no_nul"))


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference between an output and the expected one.

    Attributes:
        line: Its line number in the program's output, from 1.
        expected: An excerpt of the expected text; None at the end of the answer.
        found: An excerpt of the program's text; None at the end of the output.
        column: Its position in the line, in characters from 1; None if unknown.
    """

    line: int
    expected: str | None
    found: str | None
    column: int | None = None

    def __str__(self) -> str:
        """Describe the difference in one line."""
        expected = "the end" if self.expected is None else repr(self.expected)
        found = "the end" if self.found is None else repr(self.found)
        column = "" if self.column is None else f", column {self.column}"
        return f"line {self.line}{column}: expected {expected}, found {found}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A checker's judgement on the output of a program that ended successfully.

    Attributes:
        verdict: ACCEPTED, WRONG_ANSWER, PRESENTATION_ERROR or CHECKER_FAILED.
        points: The part of the case's weight that a checker gave; None if the verdict gives all or nothing.
        message: The message of a checker program, truncated to MESSAGE_MAX_CHARS.
    """

    verdict: Verdict
    difference: Difference | None = None
    message: str | None = None
    points: float | None = None


ACCEPTED = Judgement(verdict=Verdict.ACCEPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """The result of one case.

    Attributes:
        index: The position of the case in its job, from 0.
        memory_mb: The peak memory, in mebibytes.
        stdout: The beginning of the output.
        stderr: The beginning of stderr, if the case is not accepted.
        diff: The first difference, as text.
        checker_message: The message of a checker program.
        points: The part of the weight that a checker gave; None if the verdict gives all or nothing.
        first_time_ms: The time of a first run that reached a time limit on a busy machine; `time_ms` is that
            of the second run, alone.
        first_processors: The utilization of the machine's processors during the first run, in percent, at
            regular intervals.
        processors: The same during the second run.
    """

    index: int
    name: str
    verdict: Verdict
    weight: float = 1.0
    hidden: bool = False
    time_ms: int | None = None
    cpu_time_ms: int | None = None
    memory_mb: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    stdout: str | None = None
    stderr: str | None = None
    diff: str | None = None
    checker_message: str | None = None
    first_time_ms: int | None = None
    first_processors: tuple[int, ...] = ()
    processors: tuple[int, ...] = ()
    points: float | None = None

    @property
    def score(self) -> float:
        """The case's contribution to the score."""
        if self.points is not None:
            return self.points
        return self.weight if self.is_accepted else 0.0

    @property
    def is_accepted(self) -> bool:
        """Whether the case passed."""
        return self.verdict is Verdict.ACCEPTED

    @classmethod
    def skipped(cls, index: int, case: Case) -> "CaseResult":
        """Build the result of a case that was not run because an earlier one had failed."""
        return cls(
            index=index, name=case.name, verdict=Verdict.SKIPPED, weight=case.weight, hidden=case.hidden
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The summary of the results of a job's cases.

    Attributes:
        passed: The number of accepted cases.
        total: The number of all cases.
        score: The sum of the cases' scores.
        max_score: The sum of the cases' weights.
        slowest: The index of the case that took longest; None if none ran.
        largest: The index of the case that used the most memory; None if none ran.
        first_failure: The index of the first case that ran and was not accepted.
    """

    passed: int
    total: int
    score: float
    max_score: float
    slowest: int | None = None
    largest: int | None = None
    first_failure: int | None = None

    @property
    def is_passed(self) -> bool:
        """Whether every case was accepted."""
        return self.passed == self.total

    @property
    def status(self) -> JobStatus:
        """The status of the job."""
        return JobStatus.SUCCESS if self.is_passed else JobStatus.FAILED


def summarize(results: Iterable[CaseResult]) -> Summary:
    """Summarize the results of all cases of a job, in any order."""
    ordered = sorted(results, key=lambda result: result.index)
    ran = [result for result in ordered if result.verdict is not Verdict.SKIPPED]
    accepted = [result for result in ordered if result.is_accepted]
    slowest = max(ran, key=lambda result: result.time_ms or 0, default=None)
    largest = max(ran, key=lambda result: result.memory_mb or 0.0, default=None)
    failed = next((result for result in ran if not result.is_accepted), None)
    return Summary(
        passed=len(accepted),
        total=len(ordered),
        score=_sum(result.score for result in ordered),
        max_score=_sum(result.weight for result in ordered),
        slowest=None if slowest is None else slowest.index,
        largest=None if largest is None else largest.index,
        first_failure=None if failed is None else failed.index,
    )


def skip_after(results: Sequence[CaseResult], stop_on: StopOn) -> int | None:
    """Return the index after which cases are skipped, given the results so far; None to skip none.

    Cases run concurrently: a case after the first failure may already have a result, which is kept.
    """
    if stop_on is StopOn.NEVER:
        return None
    return min((result.index for result in results if not result.is_accepted), default=None)


def _sum(parts: Iterable[float]) -> float:
    """Add weights without the rounding errors of binary fractions."""
    return round(sum(parts), 6)
