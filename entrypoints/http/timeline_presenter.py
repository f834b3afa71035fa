"""The presenter of timelines and engines."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import UNSET, UnsetType

from application.ports.dashboard_queries import COUNTED_UP_TO, QueueState
from application.ports.execution_engine import EngineDescription, LanguageSupport, RuntimeSupport
from application.queries.cluster_reader import EngineState
from application.queries.timeline import Entry, Step, Timeline, Waiting, holder_of
from application.views import JobDetails
from domain.catalogue.text import Text, text
from domain.execution import Execution
from domain.job_lifecycle import JobStatus
from domain.limits import STANDARD_BOUNDS
from entrypoints.http.presenter import reached_limit, sentence_of
from entrypoints.http.schemas.jobs import SentenceResponse
from entrypoints.http.schemas.timeline import (
    AllowedLimit,
    AttemptResponse,
    CancellationResponse,
    EngineName,
    EngineResponse,
    EntryResponse,
    Isolated,
    LanguageResponse,
    QueueResponse,
    RuntimeResponse,
    TimelineResponse,
    WaitingResponse,
)

_NEVER_CLAIMED = text("job.proof_never_claimed")
_WORKER_TOLD = text("job.proof_worker_told")
_ENGINE_ASKED = text("job.proof_engine_asked")


def present_entry(entry: Entry) -> EntryResponse:
    """Present one entry."""
    attempt, rank = entry.position
    return EntryResponse(
        id=f"{attempt}.{rank}",
        step=entry.step,
        attempt=entry.attempt,
        at=entry.at,
        by=entry.by,
        status=entry.status,
        reason=entry.reason,
        detail=str(entry.detail),
    )


def present_timeline(timeline: Timeline) -> TimelineResponse:
    """Present a job's timeline."""
    details, waiting = timeline.details, timeline.waiting
    return TimelineResponse(
        job_id=str(details.job.id),
        status=details.job.status,
        reason=details.job.reason,
        entries=list(map(present_entry, timeline.entries)),
        attempts=list(map(_attempt, details.executions)),
        engine=EngineName(name=timeline.engine.name, isolated=_isolated(timeline.engine)),
        limits=[
            AllowedLimit(
                name=name,
                allowed=getattr(details.job.spec.limits, name),
                enforced_by=_plain(timeline.engine.limits.get(name)),
            )
            for name in STANDARD_BOUNDS
        ],
        limit=reached_limit(details.latest),
        waiting=None if waiting is None else _waiting(waiting),
        cancellation=_cancellation(details, timeline.entries),
        rerun_of=UNSET if details.job.spec.rerun_of is None else str(details.job.spec.rerun_of),
        reruns=[str(job_id) for job_id in timeline.reruns] or UNSET,
    )


def present_engine(state: EngineState) -> EngineResponse:
    """Present the engine."""
    description = state.description
    return EngineResponse(
        name=description.name,
        isolated=_isolated(description),
        missing=list(map(str, description.missing)),
        missing_texts=_sentences(description.missing),
        warning=_plain(description.warning),
        warning_text=sentence_of(description.warning),
        warm_start=_plain(description.warm_start),
        warm_start_text=sentence_of(description.warm_start),
        control_groups=_plain(description.control_groups),
        control_groups_text=sentence_of(description.control_groups),
        limits={name: str(how) for name, how in description.limits.items()},
        limit_texts={
            name: told
            for name, how in description.limits.items()
            if not isinstance(told := sentence_of(how), UnsetType)
        },
        slots=state.slots,
        languages=list(map(present_language, state.languages)),
        queue=_queue(state.queue),
    )


def _sentences(said: Sequence[Text | str]) -> list[SentenceResponse] | UnsetType:
    """Present texts of the catalogue; UNSET unless all are from the catalogue."""
    told = [each for each in map(sentence_of, said) if not isinstance(each, UnsetType)]
    return told if len(told) == len(said) else UNSET


def _plain(said: Text | str | None) -> str | None:
    return None if said is None else str(said)


def _isolated(engine: EngineDescription) -> Isolated:
    return "partly" if engine.is_isolated and engine.missing else engine.is_isolated


def present_language(support: LanguageSupport) -> LanguageResponse:
    """Present a language."""
    return LanguageResponse(
        name=support.language.name,
        extension=support.language.extension,
        available=support.is_available,
        version=support.version,
        version_pending=support.is_version_awaited,
        unavailable_because=_plain(support.unavailable_because),
        unavailable_text=sentence_of(support.unavailable_because),
    )


def present_runtime(support: RuntimeSupport) -> RuntimeResponse:
    """Present a runtime."""
    return RuntimeResponse(
        name=support.name,
        language=support.language.name,
        version=support.version,
        default=support.is_default,
        presets=list(support.presets),
        available=support.is_available,
        unavailable_because=_plain(support.unavailable_because),
        unavailable_text=sentence_of(support.unavailable_because),
    )


def _queue(queue: QueueState) -> QueueResponse:
    return QueueResponse(
        waiting=min(queue.waiting, COUNTED_UP_TO),
        more_waiting=queue.waiting > COUNTED_UP_TO,
        claimed=min(queue.claimed, COUNTED_UP_TO),
        more_claimed=queue.claimed > COUNTED_UP_TO,
        counted_up_to=COUNTED_UP_TO,
        oldest_waits_since=queue.oldest_waits_since,
    )


def _waiting(waiting: Waiting) -> WaitingResponse:
    return WaitingResponse(
        awaited=waiting.awaited,
        place=waiting.place,
        behind_more_than=waiting.behind_more_than,
        since=waiting.since or UNSET,
        until=waiting.until or UNSET,
        about_ms=UNSET if waiting.about_ms is None else round(waiting.about_ms),
        cause=UNSET if waiting.wait is None else waiting.wait.cause,
        detail=UNSET if waiting.wait is None else str(waiting.wait.sentence),
    )


def _attempt(execution: Execution) -> AttemptResponse:
    result = execution.result
    return AttemptResponse(
        number=execution.number,
        execution_id=str(execution.id),
        held_by=None if execution.claimed_by is None else holder_of(execution),
        queue_ms=_between(execution.requested_at, execution.claimed_at),
        start_ms=_between(execution.claimed_at, execution.started_at),
        run_ms=_between(execution.started_at, execution.ended_at),
        status=None if result is None else result.status,
        reason=None if result is None else result.reason,
        trace_id=UNSET if execution.trace is None else execution.trace.trace_id,
    )


def _between(begin: datetime | None, end: datetime | None) -> float | None:
    """Return the milliseconds between two times, at least 0, because the clocks of two hosts may differ."""
    if begin is None or end is None:
        return None
    return max((end - begin) / timedelta(milliseconds=1), 0.0)


def _cancellation(details: JobDetails, entries: Sequence[Entry]) -> CancellationResponse | None:
    job = details.job
    if job.status is not JobStatus.CANCELLED or job.completed_at is None:
        return None
    last = details.latest
    if last is None or last.claimed_at is None:
        return CancellationResponse(at=job.completed_at, stopped=True, proof=str(_NEVER_CLAIMED))
    stopped = next((entry.detail for entry in entries if entry.step is Step.STOPPED), None)
    return CancellationResponse(
        at=job.completed_at, stopped=stopped is not None, proof=str(stopped or _unproven(last))
    )


def unproven_end(timeline: Timeline) -> Text | str | None:
    """Describe a cancelled program that is not proven to have stopped; None if there is none."""
    job, last = timeline.details.job, timeline.details.latest
    if job.status is not JobStatus.CANCELLED or last is None or last.claimed_at is None:
        return None
    is_stopped = any(entry.step is Step.STOPPED for entry in timeline.entries)
    return None if is_stopped else _unproven(last)


def _unproven(last: Execution) -> Text | str:
    if last.result is not None and last.result.error:
        return last.result.error
    return _ENGINE_ASKED if last.is_delegated else _WORKER_TOLD
