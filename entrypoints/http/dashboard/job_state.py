"""The state of a job on its page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from application.queries.timeline import Awaited, Timeline, Waiting
from domain.artifacts import PICTURES
from domain.execution import Execution, ExecutionResult, ResourceUsage
from domain.job import Job
from domain.job_lifecycle import JobStatus
from domain.limits import Limits
from entrypoints.http.dashboard import formatting
from entrypoints.http.presenter import artifacts_of, explain, notes_of
from entrypoints.http.timeline_presenter import present_timeline

_MIB = 1 << 20
_WAITS = {
    Awaited.EXECUTE: "Uploaded. It waits to be executed.",
    Awaited.WORKER: "Queued. It waits for a free worker.",
    Awaited.ENGINE: "A worker has it. It waits for the engine to start the program.",
    Awaited.BUILD: "The compiler is running.",
    Awaited.RETRY: "It failed, and is to be run again after a delay.",
    Awaited.REPORT: "The engine has it, and will report its end by itself.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a job's way.

    Attributes:
        state: done, active, failed or coming.
        took: How long it lasted.
    """

    name: str
    state: str
    at: datetime | None
    took: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Usage of a limit in percent, None where it was not measured."""

    name: str
    used: str
    allowed: str
    percent: float | None
    was_hit: bool


def state_context(timeline: Timeline) -> dict[str, object]:
    """Return the context of the template of a job's state."""
    details = timeline.details
    last = details.latest
    result = None if last is None else last.result
    return {
        "job": details.job,
        "job_id": str(details.job.id),
        "project": details.project,
        "rerun_of": details.job.spec.rerun_of,
        "reruns": timeline.reruns,
        "batch_id": details.job.batch_id,
        "timeline": present_timeline(timeline),
        "execution": last,
        "result": result,
        "explanation": explain(details.job.status, details.job.reason, details.view.phase, result),
        "notes": notes_of(last),
        "artifacts": [] if result is None else artifacts_of(details.job.id, result),
        "pictures": PICTURES,
        "stages": _stages(details.job, last),
        "meters": _meters(result, details.job.spec.limits),
        "awaits": None if timeline.waiting is None else _awaits(timeline.waiting),
    }


def _awaits(waiting: Waiting) -> str:
    if waiting.since is not None:
        return (
            f"Queued. Its engine is away, or has no room, since {formatting.clock_time(waiting.since)} UTC."
        )
    sentence = _WAITS[waiting.awaited]
    if waiting.until is not None:
        return f"{sentence} The delay ends at {formatting.clock_time(waiting.until)} UTC."
    if waiting.behind_more_than is not None:
        return f"{sentence} More than {waiting.behind_more_than:,} are ahead of it in the queue."
    return sentence if waiting.place is None else f"{sentence} Place in the queue: {waiting.place:,}."


def _stages(job: Job, last: Execution | None) -> Sequence[Stage]:
    queued = None if last is None else last.requested_at
    began = None if last is None else last.started_at or last.claimed_at
    times = (job.created_at, queued, began, job.completed_at)
    names = ("Uploaded", "Queued", "Running", "Ended")
    reached = max(place for place, time in enumerate(times) if time is not None)
    ends = (queued, began, job.completed_at, None)
    return [
        Stage(
            name=name,
            state=_stage_state(job, place, reached, at),
            at=at,
            took=formatting.between(at, end) if at is not None and end is not None else "",
        )
        for place, (name, at, end) in enumerate(zip(names, times, ends, strict=True))
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
    figures = (
        ("Wall time", "timeout_ms", used.execution_time_ms, limits.timeout_ms),
        ("CPU time", "cpu_time_ms", used.cpu_time_ms, limits.cpu_time_ms),
        ("Memory", "memory_mb", used.memory_mb, limits.memory_mb),
        ("Output", "output_mb", written, limits.output_mb),
    )
    hit = result.limit.name if result and result.limit else None
    return [
        Meter(
            name=label,
            used=_say(name, value) if result else "",
            allowed=_say(name, allowed),
            percent=None if value is None else round(min(value / allowed * 100, 100), 1),
            was_hit=name == hit,
        )
        for label, name, value, allowed in figures
    ]


def _say(limit: str, value: float | None) -> str:
    if value is None:
        return "not measured"
    return formatting.milliseconds(value) if limit.endswith("_ms") else formatting.size(value * _MIB)
