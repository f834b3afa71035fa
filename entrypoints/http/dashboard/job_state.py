"""The state of a job, for its page."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

from application.queries.timeline import Timeline, Waiting
from application.queries.wait_causes import ExplainedWait, WaitCause
from application.views import JobView
from domain.artifacts import PICTURES
from domain.catalogue.figures import duration, is_cut, limit_figure
from domain.catalogue.text import Text, text
from domain.execution import Execution, ExecutionResult, ResourceUsage
from domain.job import Job
from domain.job_lifecycle import JobStatus, Phase, Reason
from domain.limits import Limits
from entrypoints.http.dashboard import formatting
from entrypoints.http.presenter import artifacts_of, explain, remarks_on
from entrypoints.http.timeline_presenter import present_timeline, unproven_end

_MIB = 1 << 20
_MINUTE_S = 60
_NOT_MEASURED = text("job.not_measured")
# Causes of a wait in the queue that do not end when other programs end, or that end when the tenant's own do.
_OWN_CAUSES = {
    *(WaitCause.TENANT_SUSPENDED, WaitCause.TENANT_BOUND),
    *(WaitCause.NO_WORKER, WaitCause.NO_RUNTIME),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage in the progress of a job.

    Attributes:
        state: done, active, failed or coming.
        took: The duration of the stage; for the last one, the duration of all stages.
    """

    name: Text
    state: str
    at: datetime | None
    took: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """The usage of a limit in percent; None if it was not measured.

    Attributes:
        key: The name of the limit in `Limits`.
        most: The limit, in the unit of its name.
    """

    key: str
    most: int
    name: Text
    used: Text | str
    allowed: str
    percent: float | None
    was_hit: bool


def state_context(timeline: Timeline) -> dict[str, object]:
    """Return the context of the template for a job's state."""
    details = timeline.details
    last = details.latest
    result = None if last is None else last.result
    return {
        "job": details.job,
        "job_id": str(details.job.id),
        "project": details.project,
        "rerun_of": details.job.spec.rerun_of,
        "origin": timeline.origin,
        "reruns": timeline.reruns,
        "batch_id": details.job.batch_id,
        "timeline": present_timeline(timeline),
        "is_measured_while_running": timeline.engine.measures_while_running,
        "execution": last,
        "result": result,
        "state": details.view.state,
        "since": _since(details.view, last),
        "ran": ""
        if last is None or last.started_at is None
        else formatting.between(last.started_at, last.ended_at),
        # A reached limit and an exit code are shown by themselves, so no sentence repeats them.
        "error": None if result is None or result.limit or result.exit_code else result.error,
        "measured": None if result is None or result.limit is None else measured_of(*astuple(result.limit)),
        "explanation": _explanation(details.view, last, result),
        "compiler_output": _compiler_output(result),
        "notes": list(remarks_on(last).values()),
        "entries": timeline.entries,
        "unproven": unproven_end(timeline),
        "artifacts": [] if result is None else artifacts_of(details.job.id, result),
        "pictures": PICTURES,
        "stages": _stages(details.job, last),
        "meters": _meters(result, details.job.spec.limits),
        "awaits": None if timeline.waiting is None else _awaits(timeline.waiting),
    }


def _since(view: JobView, last: Execution | None) -> datetime | None:
    """Return the time at which the current phase of a job began, or None if the job has ended."""
    if view.status is not JobStatus.RUNNING or last is None:
        return None
    return {
        Phase.WAITING: last.requested_at,
        Phase.BUILDING: last.building_at,
        Phase.RUNNING: last.started_at,
    }.get(view.phase)


def _explanation(view: JobView, last: Execution | None, result: ExecutionResult | None) -> Text | None:
    """Explain the state of a job; None if its badge explains enough."""
    if result is not None and view.reason is Reason.NONZERO_EXIT and result.exit_code is not None:
        return text("job.step_exited", code=result.exit_code)
    if result is not None and view.reason is Reason.SIGNAL and result.signal is not None:
        return text("job.step_signal", signal=result.signal)
    is_deferred = last is not None and last.deferred_since is not None
    explanation = explain(view.state, view.reason, result, is_deferred=is_deferred)
    return None if explanation == text(f"job.explain_{view.state}") else explanation


def _compiler_output(result: ExecutionResult | None) -> str:
    """Return the messages of a build, such as warnings, unless stderr contains them."""
    output = None if result is None else result.compile_output
    return "" if result is None or output is None or output.text == result.stderr.text else output.text


def measured_of(name: str, measured: float, allowed: int) -> Text:
    """Return the measured value of a limit, with the limit."""
    limit = limit_figure(name, allowed)
    if is_cut(name, measured, allowed):
        return text("job.more_than", allowed=limit)
    return text("job.measured_of", used=limit_figure(name, measured), allowed=limit)


def _used(name: str, value: float | None, allowed: int) -> Text | str:
    if value is None:
        return _NOT_MEASURED
    return limit_figure(name, allowed if is_cut(name, value, allowed) else value)


def _awaits(waiting: Waiting) -> Text:
    if waiting.since is not None:
        return text("job.waits_engine_away", time=waiting.since)
    if waiting.until is not None:
        return text("job.waits_retry_until", time=waiting.until)
    if waiting.wait is not None and waiting.wait.cause in _OWN_CAUSES:
        return _queued_because(waiting, waiting.wait)
    return _queued(waiting)


def _queued(waiting: Waiting) -> Text:
    if waiting.behind_more_than is not None:
        return text("job.waits_worker_behind", count=waiting.behind_more_than)
    if waiting.place is not None and waiting.about_ms is not None:
        return text("job.waits_worker_soon", place=waiting.place, duration=_about(waiting.about_ms))
    if waiting.place is not None:
        return text("job.waits_worker_place", place=waiting.place)
    return text(f"job.waits_{waiting.awaited}")


def _queued_because(waiting: Waiting, wait: ExplainedWait) -> Text:
    if waiting.place is None:
        return text("job.waits_behind_because", count=waiting.behind_more_than, cause=wait.sentence)
    return text("job.waits_because", place=waiting.place, cause=wait.sentence)


def _about(milliseconds: float) -> str:
    """Format an estimate, to the second."""
    seconds = max(round(milliseconds / 1_000), 1)
    return f"{seconds} s" if seconds < _MINUTE_S else duration(seconds * 1_000)


def _stages(job: Job, last: Execution | None) -> Sequence[Stage]:
    began = None if last is None or last.building_at is not None else last.claimed_at
    times = {
        "uploaded": job.created_at,
        "queued": None if last is None else last.requested_at,
        "building": None if last is None else last.building_at,
        "running": began if last is None else last.started_at or began,
        "ended": job.completed_at,
    }
    if times["building"] is None:
        del times["building"]
    reached = max(place for place, time in enumerate(times.values()) if time is not None)
    # The last stage shows the total time since the request.
    # A failed build is followed by no running program, so it ended with the job.
    ends = [*(time or job.completed_at for time in list(times.values())[1:]), job.completed_at]
    begins = [*list(times.values())[:-1], times["queued"]]
    return [
        Stage(
            name=text(f"job.stage_{stage}"),
            state=_stage_state(job, place, reached, at),
            at=at,
            took=None
            if begin is None or end is None or stage == "uploaded"
            else text(f"job.took_{stage}", duration=formatting.between(begin, end)),
        )
        for place, (stage, at, begin, end) in enumerate(zip(times, times.values(), begins, ends, strict=True))
    ]


def _stage_state(job: Job, place: int, reached: int, at: datetime | None) -> str:
    if place > reached or at is None:
        return "coming"
    if place < reached:
        return "done"
    if not job.status.is_terminal:
        return "active"
    return "done" if job.status is JobStatus.SUCCESS else "failed"


def _meters(result: ExecutionResult | None, limits: Limits) -> Sequence[Meter]:
    used = (result and result.resource) or ResourceUsage()
    written = None if result is None else (result.stdout.total_bytes + result.stderr.total_bytes) / _MIB
    figures: tuple[tuple[str, float | None, int], ...] = (
        ("timeout_ms", used.execution_time_ms, limits.timeout_ms),
        ("cpu_time_ms", used.cpu_time_ms, limits.cpu_time_ms),
        ("memory_mb", used.memory_mb, limits.memory_mb),
        ("output_mb", written, limits.output_mb),
    )
    hit = None if result is None else result.limit
    if hit is not None:  # the measured value is the one that ended the program
        figures = tuple(
            (name, hit.measured if name == hit.name else value, allowed) for name, value, allowed in figures
        )
    return [
        Meter(
            key=name,
            most=allowed,
            name=text(f"limits.{name}"),
            used="" if result is None else _used(name, value, allowed),
            allowed=limit_figure(name, allowed),
            percent=None if value is None else round(min(value / allowed * 100, 100), 1),
            was_hit=hit is not None and name == hit.name,
        )
        for name, value, allowed in figures
    ]
