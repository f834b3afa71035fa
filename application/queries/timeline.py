"""The timeline of a job: its steps, derived from its record."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial

from application.ports.execution_engine import EngineDescription
from application.queries.wait_causes import ExplainedWait
from application.views import JobDetails
from domain.catalogue.text import Text, text
from domain.execution import Execution
from domain.execution_lifecycle import DELEGATE_PREFIX
from domain.job_lifecycle import JobStatus, Reason
from domain.values import JobId


class Step(StrEnum):
    """A step in the life of a job, in the order of steps."""

    SUBMITTED = "submitted"
    QUEUED = "queued"
    DEFERRED = "deferred"
    CLAIMED = "claimed"
    BUILDING = "building"
    STARTED = "started"
    LOST = "lost"
    RETRIED = "retried"
    ENDED = "ended"
    STOPPED = "stopped"


_RANKS = {step: rank for rank, step in enumerate(Step)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One step.

    Attributes:
        attempt: The number of the execution that it belongs to; 0 before the first.
        ordinal: The position of that execution among the job's; a requeued one repeats a number.
        by: Who caused it: caller, service, `worker <name>` or `engine <name>`.
        status: The job's status after the step.
        detail: A sentence for people; a plain string comes from an engine or a worker.
    """

    step: Step
    attempt: int
    ordinal: int
    at: datetime
    by: str
    status: JobStatus
    detail: Text | str
    reason: Reason | None = None

    @property
    def position(self) -> tuple[int, int]:
        """Its position among the job's steps: it ascends, and does not change when more steps follow."""
        return self.ordinal, _RANKS[self.step]


class Awaited(StrEnum):
    """The thing that a job waits for, unless it has ended or its program is running."""

    EXECUTE = "execute"
    WORKER = "worker"
    ENGINE = "engine"
    BUILD = "build"
    REPORT = "report"
    RETRY = "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A job's wait.

    Attributes:
        place: Its position among the waiting executions of its tenant: 1 is next. None if it is not in the
            queue or is too far back to count.
        behind_more_than: More than this many of its tenant's executions are ahead of it.
        since: Since when its engine has been unable to start it.
        until: When the delay before its next attempt ends.
        about_ms: The estimated remaining wait, if others keep ending at the present rate.
        wait: The cause, if it is in the queue.
    """

    awaited: Awaited
    place: int | None = None
    behind_more_than: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    about_ms: float | None = None
    wait: ExplainedWait | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The history of a job, its wait if it waits, and the jobs that rerun it, latest first.

    Attributes:
        origin: The job that it reruns; None if there is none, or if it was deleted.
    """

    details: JobDetails
    entries: tuple[Entry, ...]
    engine: EngineDescription
    waiting: Waiting | None
    reruns: tuple[JobId, ...] = ()
    origin: JobId | None = None


def entries_of(details: JobDetails) -> tuple[Entry, ...]:
    """Return the steps of a job so far, in order."""
    return tuple(_entries(details))


def _entries(details: JobDetails) -> Iterator[Entry]:
    job, origin = details.job, details.job.spec.rerun_of
    yield Entry(
        step=Step.SUBMITTED,
        attempt=0,
        ordinal=0,
        at=job.created_at,
        by="caller",
        status=JobStatus.PENDING,
        detail=text("job.step_submitted") if origin is None else text("job.step_rerun", job=origin),
    )
    for ordinal, execution in enumerate(details.executions, start=1):
        add = partial(_running, execution, ordinal)
        yield from _attempt(execution, add, is_first=ordinal == 1)
        if execution.id != job.current_execution_id and execution.ended_at is not None:
            reason = None if execution.result is None else execution.result.reason
            if reason in job.spec.retry_on:
                retried = add(Step.RETRIED, execution.ended_at, holder_of(execution), _ending(execution))
                yield replace(retried, reason=reason)
            else:
                yield add(Step.LOST, execution.ended_at, "service", _loss(execution))
    yield from _end(details)


def _attempt(execution: Execution, add: Callable[..., Entry], *, is_first: bool) -> Iterator[Entry]:
    yield add(
        Step.QUEUED,
        execution.requested_at,
        "caller" if is_first else "service",
        text("job.step_queued") if is_first else text("job.step_queued_again"),
    )
    if execution.deferred_since is not None:
        yield add(Step.DEFERRED, execution.deferred_since, "service", text("job.step_deferred"))
    if execution.claimed_at is not None and execution.claimed_by is not None:
        yield add(Step.CLAIMED, execution.claimed_at, holder_of(execution), text("job.step_claimed"))
    if execution.building_at is not None:
        yield add(Step.BUILDING, execution.building_at, holder_of(execution), text("job.step_building"))
    if execution.started_at is not None:
        yield add(Step.STARTED, execution.started_at, holder_of(execution), text("job.step_started"))


def _loss(execution: Execution) -> Text | str:
    return (execution.result and execution.result.error) or text("job.step_lost")


def _running(
    execution: Execution, ordinal: int, step: Step, at: datetime, by: str, detail: Text | str
) -> Entry:
    return Entry(
        step=step,
        attempt=execution.number,
        ordinal=ordinal,
        at=at,
        by=by,
        status=JobStatus.RUNNING,
        detail=detail,
    )


def _end(details: JobDetails) -> Iterator[Entry]:
    job = details.job
    if job.completed_at is None:
        return
    last = details.latest
    was_cancelled = job.status is JobStatus.CANCELLED
    yield Entry(
        step=Step.ENDED,
        attempt=0 if last is None else last.number,
        ordinal=len(details.executions),
        at=job.completed_at,
        by="caller" if was_cancelled else _reporter(last, job.reason),
        status=job.status,
        detail=text("job.step_cancelled") if was_cancelled else _ending(last),
        reason=job.reason,
    )
    if was_cancelled and last is not None and last.result is not None and not last.result.may_run_on:
        yield Entry(
            step=Step.STOPPED,
            attempt=last.number,
            ordinal=len(details.executions),
            at=last.ended_at or job.completed_at,
            by=holder_of(last),
            status=job.status,
            detail=_proof(last),
            reason=job.reason,
        )


def _reporter(execution: Execution | None, reason: Reason | None) -> str:
    return "service" if execution is None or reason is Reason.WORKER_LOST else holder_of(execution)


def _ending(execution: Execution | None) -> Text:
    result = None if execution is None else execution.result
    if result is None:
        return text("job.step_ended")
    if result.limit is not None:
        return text("job.step_exceeded", limit=text(f"limits.{result.limit.name}"))
    if result.signal is not None:
        return text("job.step_signal", signal=result.signal)
    if result.exit_code is None:
        return text("job.step_ended")
    return text("job.step_exited", code=result.exit_code)


def _proof(execution: Execution) -> Text | str:
    """Return the evidence that a cancelled program is no longer running."""
    result = execution.result
    if result is not None and result.error:
        return result.error
    if result is None or result.signal is None:
        return text("job.step_stopped")
    return text("job.step_stopped_by_signal", signal=result.signal)


def holder_of(execution: Execution) -> str:
    """Return the name of the holder of an execution."""
    claimed_by = execution.claimed_by
    if claimed_by is None:
        return "service"
    if execution.is_delegated:
        return f"engine {claimed_by.removeprefix(DELEGATE_PREFIX)}"
    return f"worker {claimed_by}"
