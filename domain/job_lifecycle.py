"""The life of a job, as a table.

PENDING ──execute──> RUNNING ──succeed──> SUCCESS
   │                  │  ↺ retry ─fail──> FAILED
   │                  │          ─time─out─> TIMEOUT
   └─────cancel───────┴────────cancel──> CANCELLED
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.catalogue.text import text
from domain.errors import JobTransitionRefused


class JobStatus(StrEnum):
    """The status of a job. The last four are terminal: a job never leaves them."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended."""
        return self not in {JobStatus.PENDING, JobStatus.RUNNING}


class Reason(StrEnum):
    """Why a job ended without success. SUCCESS has no reason."""

    NONZERO_EXIT = "nonzero_exit"
    SIGNAL = "signal"
    COMPILE_ERROR = "compile_error"
    BUILD_LIMIT = "build_limit"
    WALL_TIME_LIMIT = "wall_time_limit"
    CPU_TIME_LIMIT = "cpu_time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    PROCESS_LIMIT = "process_limit"
    CASES_FAILED = "cases_failed"
    CANCELLED = "cancelled"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    ENGINE_ERROR = "engine_error"
    WORKER_LOST = "worker_lost"
    STORAGE_ERROR = "storage_error"
    SECRETS_UNAVAILABLE = "secrets_unavailable"
    INTERNAL = "internal"


class Phase(StrEnum):
    """The progress of a job. The status is RUNNING from the request on, even while it waits and builds."""

    WAITING = "waiting"
    BUILDING = "building"
    RUNNING = "running"
    ENDED = "ended"


class State(StrEnum):
    """The state of a job in one word: its phase while the status is RUNNING, else its status."""

    PENDING = "pending"
    QUEUED = "queued"
    BUILDING = "building"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"

    @classmethod
    def of(cls, status: JobStatus, phase: Phase) -> "State":
        """Return the state of a job."""
        if status is JobStatus.RUNNING:
            return next(state for state, shown in _PHASES_SHOWN.items() if shown is phase)
        return cls(status.lower())

    @property
    def phase(self) -> Phase | None:
        """The phase by which a filter for this state selects in addition to the status, if any."""
        return _PHASES_SHOWN.get(self)

    @property
    def status(self) -> JobStatus:
        """The status of jobs in this state."""
        return JobStatus.RUNNING if self in _PHASES_SHOWN else JobStatus(self.upper())


_PHASES_SHOWN = {
    State.QUEUED: Phase.WAITING,
    State.BUILDING: Phase.BUILDING,
    State.RUNNING: Phase.RUNNING,
}


class Trigger(StrEnum):
    """Causes of a transition."""

    EXECUTE = "execute"
    RETRY = "retry"
    SUCCEED = "succeed"
    FAIL = "fail"
    TIME_OUT = "time out"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Applied:
    """The trigger changes the job's status (or, for a retry, keeps it)."""

    to: JobStatus


@dataclass(frozen=True, slots=True)
class Ignored:
    """The trigger is late or a duplicate: it changes nothing and is not an error."""


# Each row: status, trigger, effect and reason. A pair without a row is refused.
_TABLE: tuple[tuple[JobStatus, Trigger, Applied | Ignored, str], ...] = (
    (JobStatus.PENDING, Trigger.EXECUTE, Applied(JobStatus.RUNNING), "the caller wants it run"),
    (JobStatus.PENDING, Trigger.CANCEL, Applied(JobStatus.CANCELLED), "it need never start"),
    (
        JobStatus.RUNNING,
        Trigger.RETRY,
        Applied(JobStatus.RUNNING),
        "it was lost, or failed; a new attempt",
    ),
    (JobStatus.RUNNING, Trigger.SUCCEED, Applied(JobStatus.SUCCESS), "the engine reported success"),
    (JobStatus.RUNNING, Trigger.FAIL, Applied(JobStatus.FAILED), "the engine, or its loss, ended it"),
    (JobStatus.RUNNING, Trigger.TIME_OUT, Applied(JobStatus.TIMEOUT), "it used up its time"),
    (JobStatus.RUNNING, Trigger.CANCEL, Applied(JobStatus.CANCELLED), "the engine is told to stop it"),
    *(
        (ended, late, Ignored(), "an outcome that comes late or twice changes nothing")
        for ended in JobStatus
        if ended.is_terminal
        for late in (Trigger.RETRY, Trigger.SUCCEED, Trigger.FAIL, Trigger.TIME_OUT)
    ),
)

_TRANSITIONS = {(status, trigger): follows for status, trigger, follows, _why in _TABLE}


def phase_of(status: JobStatus, building_at: datetime | None, started_at: datetime | None) -> Phase:
    """Return the phase of a job from its status and two times of its latest execution."""
    if status.is_terminal:
        return Phase.ENDED
    if started_at is not None:
        return Phase.RUNNING
    return Phase.WAITING if building_at is None else Phase.BUILDING


def check(status: JobStatus, trigger: Trigger) -> Applied | Ignored:
    """Return the effect of a trigger on a job in a status.

    Raises:
        JobTransitionRefused: The status forbids the trigger.
    """
    follows = _TRANSITIONS.get((status, trigger))
    if follows is None:
        raise JobTransitionRefused(text("problems.job_transition", trigger=trigger, status=status))
    return follows
