"""One attempt to run a job, and its result."""

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from domain.cases import Summary
from domain.catalogue.text import Text
from domain.errors import InvalidValue
from domain.execution_lifecycle import ExecutionState, held_state, state_of
from domain.files import JobFile
from domain.job_lifecycle import JobStatus, Reason
from domain.trace_context import TraceContext
from domain.values import ExecutionId, JobId, ObjectKey

# The maximum number of executions of a job whose program never started because its worker was lost.
MAX_CLAIMS = 3
# The continuation bytes of UTF-8, and the maximum length of a character.
_CONTINUATION = range(0x80, 0xC0)
_LONGEST_CHARACTER = 4


class Note(StrEnum):
    """A remark on an execution, beside its status and reason."""

    STDIN_NOT_PASSED = "stdin_not_passed"
    USAGE_UNKNOWN = "usage_unknown"
    EXIT_CODE_UNKNOWN = "exit_code_unknown"
    OUTPUT_CUT_BY_RUNNER = "output_cut_by_runner"
    CANCEL_NOT_SUPPORTED = "cancel_not_supported"
    MAY_RUN_ON = "may_run_on"
    NO_NETWORK = "no_network"
    MACHINE_BUSY = "machine_busy"
    ARTIFACTS_LEFT_OUT = "artifacts_left_out"
    ARTIFACTS_LOST = "artifacts_lost"


@dataclass(frozen=True, slots=True)
class Output:
    """The output of a program on one stream: its text (or the beginning and end of it), and its exact size.

    Bytes that are not UTF-8 appear as U+FFFD; the log object keeps the original bytes.
    """

    text: str = ""
    total_bytes: int = 0
    truncated: bool = False

    @classmethod
    def of(cls, text: str) -> Self:
        """Build an output whose whole text is known."""
        return cls(text=text, total_bytes=len(text.encode("utf-8", "replace")))

    @classmethod
    def of_pieces(cls, pieces: Mapping[int, bytes], max_bytes: int, total_bytes: int | None = None) -> Self:
        """Build an output from known pieces: their text, with the number of omitted bytes in gaps.

        Args:
            pieces: Bytes of the stream, by offset.
            max_bytes: The maximum size of the text. A longer output is cut to its beginning and end.
            total_bytes: The size of the stream; None if the last piece ends it.
        """
        end = max((offset + len(data) for offset, data in pieces.items()), default=0)
        total = end if total_bytes is None else total_bytes
        text, shown_to, is_truncated = "", 0, False
        for begin, run in _excerpt(pieces, total, max_bytes):
            shown = _without_broken_start(run) if begin else run
            omitted = begin + len(run) - len(shown) - shown_to
            if omitted:
                is_truncated = True
                text += ("\n" if shown_to else "") + f"[... {omitted} bytes omitted ...]\n"
            if begin + len(run) < total:
                shown = _without_broken_end(shown)
            text += shown.decode("utf-8", "replace")
            shown_to += omitted + len(shown)
        return cls(text, total, is_truncated)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceUsage:
    """The resources that an execution used, as measured by its engine; None for unknown figures."""

    execution_time_ms: int | None = None
    cpu_time_ms: int | None = None
    cpu_percent: float | None = None
    memory_mb: float | None = None


@dataclass(frozen=True, slots=True)
class LimitHit:
    """The limit that ended an execution: its name in `Limits`, the measured value and the allowed value."""

    name: str
    measured: int
    allowed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionResult:
    """The result of an execution. CANCELLED means that it was stopped because its job was cancelled.

    Attributes:
        error: Why it did not succeed, for people. Messages of engines are plain strings, not texts of the
            catalogue.
        compile_output: The messages of a compiler and linker; None if nothing was built.
        notes: Notes that are known only at the end.
        artifacts: The files that the program wrote and that are kept, sorted by path.
        cases: The summary of the job's case results; None if it has no cases, or if their run did not begin.

    Raises:
        InvalidValue: The status is not an outcome, or does not match the reason.
    """

    status: JobStatus
    reason: Reason | None = None
    stdout: Output = Output()
    stderr: Output = Output()
    exit_code: int | None = None
    signal: int | None = None
    resource: ResourceUsage | None = None
    limit: LimitHit | None = None
    error: Text | str | None = None
    log_key: ObjectKey | None = None
    compile_output: Output | None = None
    notes: tuple[Note, ...] = ()
    cases: Summary | None = None
    artifacts: tuple[JobFile, ...] = ()

    @property
    def error_message(self) -> str | None:
        """Why it did not succeed, in English."""
        return None if self.error is None else str(self.error)

    @property
    def may_run_on(self) -> bool:
        """Whether the program may still be running in its engine, which did not confirm that it stopped."""
        return not {Note.CANCEL_NOT_SUPPORTED, Note.MAY_RUN_ON}.isdisjoint(self.notes)

    def __post_init__(self) -> None:
        if not self.status.is_terminal:
            raise InvalidValue("status", f"{self.status} is not an outcome of an execution")
        if (self.reason is None) != (self.status is JobStatus.SUCCESS):
            raise InvalidValue("reason", "every outcome but SUCCESS has a reason")

    @classmethod
    def failed(cls, reason: Reason, message: Text | str) -> Self:
        """Build the result of an execution that ended without an outcome of its program."""
        return cls(status=JobStatus.FAILED, reason=reason, error=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One attempt to run a job. Its id is the fence of every write about the running job.

    Attributes:
        number: The number of the attempt, from 1.
        stdin: The input of this execution; None for the job's own.
        requested_at: When it was queued.
        claimed_at: When a worker claimed it, in the database's time.
        started_at: When its engine was about to start the program, or when it was claimed, if a claim implies
            the start. From then on the program may have had effects.
        ended_at: When it ended, with `result` or as lost.
        building_at: When its compiler was started, if any.
        notes: Notes that were recorded before its end.
        deferred_since: Since when its engine was unable to start it; kept after the start.
        request_id: The id of the request that asked for it.
        trace: The trace of that request, if any.
        delayed_until: When its delay ends, in the database's time; None once it waits for a worker.
    """

    id: ExecutionId
    job_id: JobId
    number: int
    priority: int
    stdin: str | None
    requested_at: datetime
    claimed_at: datetime | None = None
    claimed_by: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result: ExecutionResult | None = None
    building_at: datetime | None = None
    notes: tuple[Note, ...] = ()
    deferred_since: datetime | None = None
    request_id: str | None = None
    trace: TraceContext | None = None
    delayed_until: datetime | None = None

    @property
    def all_notes(self) -> tuple[Note, ...]:
        """The notes from before and at the end, without duplicates."""
        return tuple(dict.fromkeys((*self.notes, *(self.result.notes if self.result else ()))))

    def not_before(self, now: datetime) -> datetime:
        """Return `now`, or the execution's latest time if that is later, because clocks differ."""
        known = (self.requested_at, self.claimed_at, self.building_at, self.started_at)
        return max(now, *(time for time in known if time is not None))

    @property
    def state(self) -> ExecutionState:
        """The execution's state in the queue."""
        return state_of(self.claimed_by, self.ended_at, self.delayed_until)

    @property
    def is_delegated(self) -> bool:
        """Whether the execution is or was delegated to an engine that reports its end itself."""
        return self.claimed_by is not None and held_state(self.claimed_by) is ExecutionState.DELEGATED

    def may_run_again(self, max_attempts: int) -> bool:
        """Whether the job may have another attempt after its worker or engine lost this one.

        A program that may have had effects is run again only as often as its job allows. A program that never
        started is tried up to MAX_CLAIMS times, so that one that kills its worker cannot loop forever. A
        delegated execution that was never reported has timed out, which is an outcome.
        """
        return not self.is_delegated and self.number < (
            max_attempts if self.started_at else max(max_attempts, MAX_CLAIMS)
        )


def _excerpt(pieces: Mapping[int, bytes], total: int, max_bytes: int) -> Sequence[tuple[int, bytes]]:
    """Join the pieces of the beginning and the end to runs without gaps; return them with their offsets."""
    head_end, tail_begin = (total, total) if total <= max_bytes else (max_bytes // 2, total - max_bytes // 2)
    runs: list[tuple[int, bytes]] = []
    for offset in sorted(pieces):
        data = pieces[offset]
        for begin, end in ((0, head_end), (tail_begin, total)):
            joined_to = runs[-1][0] + len(runs[-1][1]) if runs else 0
            first, last = max(offset, begin, joined_to), min(offset + len(data), end)
            if first >= last:
                continue
            part = data[first - offset : last - offset]
            if runs and first == joined_to:
                runs[-1] = (runs[-1][0], runs[-1][1] + part)
            else:
                runs.append((first, part))
    return runs


def _without_broken_end(data: bytes) -> bytes:
    """Remove a character that is cut off at the end; bytes that are not valid UTF-8 are kept."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(data)
    pending, _ = decoder.getstate()
    return data[: len(data) - len(pending)]


def _without_broken_start(data: bytes) -> bytes:
    """Remove the rest of a character whose beginning is cut off."""
    start = 0
    while start < min(_LONGEST_CHARACTER - 1, len(data)) and data[start] in _CONTINUATION:
        start += 1
    return data[start:]
