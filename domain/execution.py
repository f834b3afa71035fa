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

# A claim that its worker did not survive is followed by another at most this often.
MAX_CLAIMS = 3
# Of a character in UTF-8: the bytes after its first one, and its length at most.
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
    """Output of a program on one stream: its text, or the head and tail of it, and its exact size.

    Bytes that are not UTF-8 appear as U+FFFD; the log object keeps them.
    """

    text: str = ""
    total_bytes: int = 0
    truncated: bool = False

    @classmethod
    def of(cls, text: str) -> Self:
        """Build the output whose whole text is known."""
        return cls(text=text, total_bytes=len(text.encode("utf-8", "replace")))

    @classmethod
    def of_pieces(cls, pieces: Mapping[int, bytes], max_bytes: int, total_bytes: int | None = None) -> Self:
        """Build the output of which some bytes are known: their text, with the number of bytes omitted.

        Args:
            pieces: Bytes of the stream, by their offsets.
            max_bytes: The most bytes of the text. Of more, it has the head and the tail.
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
    """Resources that an execution used, by its engine's account. A figure that it did not give is None."""

    execution_time_ms: int | None = None
    cpu_time_ms: int | None = None
    cpu_percent: float | None = None
    memory_mb: float | None = None


@dataclass(frozen=True, slots=True)
class LimitHit:
    """The limit that ended an execution: its name in `Limits`, the measured figure and the allowed one."""

    name: str
    measured: int
    allowed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionResult:
    """How an execution ended. CANCELLED is the result of one that was stopped because its job was cancelled.

    Attributes:
        error: Why it did not succeed, for people; an engine's own words are no text of the catalogue.
        compile_output: The messages of a compiler and a linker; None where nothing was built.
        notes: Remarks that are known at the end only.
        artifacts: The files that the program wrote and that are kept, in the order of their paths.
        cases: The sum of the results of the job's cases; None if it has none, or they were not all run.

    Raises:
        InvalidValue: The status is not an outcome, or disagrees with the reason.
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
        """Whether the program may still be running at its engine, which was not seen to stop it."""
        return not {Note.CANCEL_NOT_SUPPORTED, Note.MAY_RUN_ON}.isdisjoint(self.notes)

    def __post_init__(self) -> None:
        if not self.status.is_terminal:
            raise InvalidValue("status", f"{self.status} is not an outcome of an execution")
        if (self.reason is None) != (self.status is JobStatus.SUCCESS):
            raise InvalidValue("reason", "every outcome but SUCCESS has a reason")

    @classmethod
    def failed(cls, reason: Reason, message: Text | str) -> Self:
        """Build the result of an execution that ended without a program's outcome."""
        return cls(status=JobStatus.FAILED, reason=reason, error=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One attempt to run a job. Its id fences every write about the running job.

    Attributes:
        number: 1 for a job's first attempt.
        stdin: Input for this execution; None means the job's own.
        requested_at: When it was queued.
        claimed_at: When a worker took it, in the database's time.
        started_at: When its engine was about to start it, or when it was claimed for an engine that starts
            programs at once: from then on the program may have had effects.
        ended_at: When it ended, with `result` or as lost.
        building_at: When its compiler was started, if it has one.
        notes: Remarks that were recorded before its end.
        deferred_since: Since when its engine has not been able to start it; kept once it has.
        request_id: By which the request is known that asked for it.
        trace: The trace of that request, if it was a part of one.
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
        """The remarks from before and at the end, each once."""
        return tuple(dict.fromkeys((*self.notes, *(self.result.notes if self.result else ()))))

    def not_before(self, now: datetime) -> datetime:
        """Return a time, or the latest one of its life if that is later: clocks differ, and are set."""
        known = (self.requested_at, self.claimed_at, self.building_at, self.started_at)
        return max(now, *(time for time in known if time is not None))

    @property
    def state(self) -> ExecutionState:
        """Its state in the queue."""
        return state_of(self.claimed_by, self.ended_at, self.delayed_until)

    @property
    def is_delegated(self) -> bool:
        """Whether an engine has taken the execution over to report its end itself, also once it has ended."""
        return self.claimed_by is not None and held_state(self.claimed_by) is ExecutionState.DELEGATED

    def may_run_again(self, max_attempts: int) -> bool:
        """Whether the job may have another attempt after its worker, or its engine, lost this one.

        A program that may have had effects is run again only as often as its job allows; one that never
        started is tried MAX_CLAIMS times, so that a program that kills its worker cannot loop for ever. One
        that an engine took over and did not report of has run out of time: that is an outcome.
        """
        return not self.is_delegated and self.number < (
            max_attempts if self.started_at else max(max_attempts, MAX_CLAIMS)
        )


def _excerpt(pieces: Mapping[int, bytes], total: int, max_bytes: int) -> Sequence[tuple[int, bytes]]:
    """Join the pieces of the head and the tail to runs without gaps, with their offsets."""
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
    """Leave out a character that is cut off at the end; bytes that never were a character stay."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(data)
    pending, _ = decoder.getstate()
    return data[: len(data) - len(pending)]


def _without_broken_start(data: bytes) -> bytes:
    """Leave out the rest of a character whose beginning is cut off."""
    start = 0
    while start < min(_LONGEST_CHARACTER - 1, len(data)) and data[start] in _CONTINUATION:
        start += 1
    return data[start:]
