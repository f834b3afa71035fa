"""Schemas of the timeline of a job, and of the engine and its queue."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from application.queries.timeline import Awaited, Step
from application.queries.wait_causes import WaitCause
from domain.job_lifecycle import JobStatus, Reason
from entrypoints.http.schemas.jobs import ReachedLimit, SentenceResponse


class EntryResponse(Struct, kw_only=True):
    """A step in a job's life."""

    id: Annotated[str, Meta(description="Its place among the job's steps.", examples=["1.2"])]
    step: Step
    attempt: Annotated[int, Meta(description="The execution it belongs to; 0 before the first.")]
    at: datetime
    by: Annotated[str, Meta(description="Who or what caused it.", examples=["caller", "worker 1f3a"])]
    status: Annotated[JobStatus, Meta(description="The job's from then on.")]
    reason: Reason | None
    detail: Annotated[str, Meta(examples=["Exited with code 0"])]


class AllowedLimit(Struct, kw_only=True):
    """A limit in force."""

    name: Annotated[str, Meta(description="As in an upload.", examples=["timeout_ms"])]
    allowed: Annotated[int, Meta(examples=[30_000])]
    enforced_by: Annotated[str | None, Meta(description="How the engine enforces it, if it says so.")]


class AttemptResponse(Struct, kw_only=True):
    """One execution in figures, which are null until they are known."""

    number: int
    execution_id: str
    held_by: Annotated[str | None, Meta(description="The worker or engine that has or had it.")]
    queue_ms: Annotated[float | None, Meta(description="From the request to a worker.")]
    start_ms: Annotated[float | None, Meta(description="From the worker to the program's start.")]
    run_ms: Annotated[float | None, Meta(description="From the program's start to its end.")]
    status: JobStatus | None
    reason: Reason | None
    trace_id: Annotated[
        str | UnsetType, Meta(description="The trace that the request for it, and so its run, is a part of.")
    ] = UNSET


class WaitingResponse(Struct, kw_only=True):
    """The cause of a job's wait, and its place in the queue."""

    awaited: Annotated[
        Awaited,
        Meta(description="A call to execute, a worker, an engine, a build, a report, or a retry's delay."),
    ]
    place: Annotated[
        int | None,
        Meta(
            description="Its place among the waiting executions of its own tenant: 1 is next. Null if it is "
            "too far back to count."
        ),
    ]
    behind_more_than: Annotated[
        int | None,
        Meta(description="If it is too far back: as many of its own tenant's are ahead of it, and more."),
    ]
    since: Annotated[
        datetime | UnsetType,
        Meta(description="Since when its engine, being away or full, could not start it; absent else."),
    ] = UNSET
    until: Annotated[
        datetime | UnsetType,
        Meta(description="When the delay before its next attempt ends; absent else."),
    ] = UNSET
    about_ms: Annotated[
        float | UnsetType,
        Meta(description="An estimate of the wait in the queue, by the pace of the last minutes."),
    ] = UNSET
    cause: Annotated[
        WaitCause | UnsetType,
        Meta(
            description="The cause of a wait in the queue: its tenant is suspended, or has as many running "
            "as its quota allows; no worker is alive; its engine is away or full; no worker has its runtime; "
            "all slots are in use; or it is next. Absent else."
        ),
    ] = UNSET
    detail: Annotated[
        str | UnsetType,
        Meta(
            description="The cause in a sentence.",
            examples=["Tenant acme has 2 of 2 executions running."],
        ),
    ] = UNSET


class CancellationResponse(Struct, kw_only=True):
    """The time of a job's cancellation, and the proof that its program has stopped.

    Attributes:
        stopped: Whether all processes of the program have ended; false until its worker has confirmed it.
    """

    at: datetime
    stopped: bool
    proof: Annotated[str, Meta(examples=["The job was cancelled; its last process was gone 3 ms later."])]


Isolated: TypeAlias = bool | Literal["partly"] | None


class EngineName(Struct, kw_only=True):
    """The engine that runs this service's programs."""

    name: str
    isolated: Isolated


class TimelineResponse(Struct, kw_only=True):
    """The timeline of a job: its steps, attempts and limits, and the cause of a wait."""

    job_id: str
    status: JobStatus
    reason: Reason | None
    entries: list[EntryResponse]
    attempts: list[AttemptResponse]
    engine: EngineName
    limits: list[AllowedLimit]
    limit: Annotated[ReachedLimit | None, Meta(description="The limit that ended the program.")]
    waiting: WaitingResponse | None
    cancellation: CancellationResponse | None
    rerun_of: Annotated[str | UnsetType, Meta(description="The job that it runs again.")] = UNSET
    reruns: Annotated[
        list[str] | UnsetType,
        Meta(description="The jobs that run it again, the latest first, a hundred at most."),
    ] = UNSET


class QueueResponse(Struct, kw_only=True):
    """The numbers of waiting and of claimed executions, each counted up to `counted_up_to`."""

    waiting: int
    more_waiting: Annotated[bool, Meta(description="Whether more wait than were counted.")]
    claimed: int
    more_claimed: Annotated[bool, Meta(description="Whether workers have more than were counted.")]
    counted_up_to: int
    oldest_waits_since: datetime | None


class LanguageResponse(Struct, kw_only=True):
    """A language, and whether it is available."""

    name: Annotated[str, Meta(description="As an upload names it.", examples=["python"])]
    extension: Annotated[str, Meta(examples=[".py"])]
    available: bool
    version: Annotated[
        str | None,
        Meta(
            description="The compiler's or the interpreter's; null if it is not known, as that of a runner.",
            examples=["3.11.2"],
        ),
    ]
    version_pending: Annotated[
        bool, Meta(description="Whether the version is being asked for, and is known in a moment.")
    ]
    unavailable_because: Annotated[str | None, Meta(description="Why not, and what to do.", examples=[None])]
    unavailable_text: Annotated[
        SentenceResponse | UnsetType,
        Meta(description="`unavailable_because` for readers in other languages."),
    ] = UNSET


class RuntimeResponse(Struct, kw_only=True):
    """A version or environment of a language, and whether it is available."""

    name: Annotated[str, Meta(description="As an upload names it.", examples=["python+numpy"])]
    language: Annotated[str, Meta(examples=["python"])]
    version: Annotated[str | None, Meta(examples=["3.13.1"])]
    default: Annotated[bool, Meta(description="Whether jobs of the language have it that name none.")]
    presets: Annotated[
        list[str], Meta(description="The sets of its compiler's flags.", examples=[["cpp17", "strict"]])
    ]
    available: bool
    unavailable_because: Annotated[str | None, Meta(description="Why not.", examples=[None])]
    unavailable_text: Annotated[
        SentenceResponse | UnsetType,
        Meta(description="`unavailable_because` for readers in other languages."),
    ] = UNSET


class EngineResponse(Struct, kw_only=True):
    """The engine that runs programs, its limits and languages, and its queue."""

    name: str
    isolated: Annotated[
        Isolated,
        Meta(
            description="Whether programs are isolated from the machine and from each other; `partly`: "
            "they can use up resources that they share on the host; null: the engine does not say."
        ),
    ]
    missing: Annotated[
        list[str], Meta(description="The guarantees that this host does not give, each with its remedy.")
    ]
    warning: Annotated[str | None, Meta(description="What is not as it should be in production.")]
    warm_start: Annotated[
        str | None, Meta(description="Which programs are started ahead of their jobs, or why none are.")
    ]
    control_groups: Annotated[
        str | None,
        Meta(description="Where the control groups of programs are, or why there are none and what helps."),
    ]
    limits: Annotated[dict[str, str], Meta(description="How each limit is enforced.")]
    slots: Annotated[int, Meta(description="How many programs each worker runs at once.")]
    languages: list[LanguageResponse]
    queue: QueueResponse
    warning_text: Annotated[
        SentenceResponse | UnsetType, Meta(description="`warning` for readers in other languages.")
    ] = UNSET
    limit_texts: Annotated[
        dict[str, SentenceResponse] | UnsetType,
        Meta(description="`limits` for readers in other languages."),
    ] = UNSET
    missing_texts: Annotated[
        list[SentenceResponse] | UnsetType, Meta(description="`missing` for readers in other languages.")
    ] = UNSET
    warm_start_text: Annotated[
        SentenceResponse | UnsetType, Meta(description="`warm_start` for readers in other languages.")
    ] = UNSET
    control_groups_text: Annotated[
        SentenceResponse | UnsetType, Meta(description="`control_groups` for readers in other languages.")
    ] = UNSET
