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

    id: Annotated[
        str, Meta(description="The id of the step, in the order of the job's steps.", examples=["1.2"])
    ]
    step: Step
    attempt: Annotated[int, Meta(description="The number of the attempt; 0 before the first.")]
    at: datetime
    by: Annotated[
        str,
        Meta(
            description="The caller, worker, engine or other part that caused the step.",
            examples=["caller", "worker 1f3a"],
        ),
    ]
    status: Annotated[JobStatus, Meta(description="The job's status after the step.")]
    reason: Reason | None
    detail: Annotated[str, Meta(examples=["Exited with code 0"])]


class AllowedLimit(Struct, kw_only=True):
    """A limit in force."""

    name: Annotated[str, Meta(description="The name of the limit in an upload.", examples=["timeout_ms"])]
    allowed: Annotated[int, Meta(examples=[30_000])]
    enforced_by: Annotated[
        str | None, Meta(description="How the engine enforces the limit; null if it does not report that.")
    ]


class AttemptResponse(Struct, kw_only=True):
    """One execution in figures, which are null until they are known."""

    number: int
    execution_id: str
    held_by: Annotated[str | None, Meta(description="The worker or engine that runs or ran the attempt.")]
    queue_ms: Annotated[float | None, Meta(description="Time from the request to the claim by a worker.")]
    start_ms: Annotated[float | None, Meta(description="Time from the claim to the program's start.")]
    run_ms: Annotated[float | None, Meta(description="Time from the program's start to its end.")]
    status: JobStatus | None
    reason: Reason | None
    trace_id: Annotated[
        str | UnsetType,
        Meta(
            description="The id of the trace that the request and the run belong to; absent if there is none."
        ),
    ] = UNSET


class WaitingResponse(Struct, kw_only=True):
    """The cause of a job's wait, and its place in the queue."""

    awaited: Annotated[
        Awaited,
        Meta(
            description="What the job waits for: a request to execute it, a worker, an engine, a "
            "build, a report, or the delay before a retry."
        ),
    ]
    place: Annotated[
        int | None,
        Meta(
            description="The position among the waiting executions of the tenant; 1 is next. Null if "
            "it is too far back to count."
        ),
    ]
    behind_more_than: Annotated[
        int | None,
        Meta(
            description="If the position is null: the number of the tenant's executions that were "
            "counted ahead of it; there are more."
        ),
    ]
    since: Annotated[
        datetime | UnsetType,
        Meta(
            description="Since when the engine has been unavailable or full, so that it could not "
            "start the program; absent otherwise."
        ),
    ] = UNSET
    until: Annotated[
        datetime | UnsetType,
        Meta(description="When the delay before the next attempt ends; absent if there is none."),
    ] = UNSET
    about_ms: Annotated[
        float | UnsetType,
        Meta(
            description="The estimated remaining wait in the queue, from the throughput of the last minutes."
        ),
    ] = UNSET
    cause: Annotated[
        WaitCause | UnsetType,
        Meta(
            description="The cause of the wait in the queue: the tenant is suspended or has reached "
            "its quota of running jobs, no worker is alive, the engine is unavailable or full, no "
            "worker has the runtime, all slots are in use, or the execution is next. Absent if it does "
            "not wait in the queue."
        ),
    ] = UNSET
    detail: Annotated[
        str | UnsetType,
        Meta(
            description="The cause as a sentence.",
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
    rerun_of: Annotated[
        str | UnsetType,
        Meta(description="The job of which this job is a rerun; absent if it is not a rerun."),
    ] = UNSET
    reruns: Annotated[
        list[str] | UnsetType,
        Meta(description="Reruns of this job, newest first, at most 100."),
    ] = UNSET


class QueueResponse(Struct, kw_only=True):
    """The numbers of waiting and of claimed executions, each counted up to `counted_up_to`."""

    waiting: Annotated[
        int, Meta(description="Waiting executions, including those that their engine refused for now.")
    ]
    more_waiting: Annotated[bool, Meta(description="Whether more executions wait than were counted.")]
    claimed: int
    more_claimed: Annotated[bool, Meta(description="Whether more executions are claimed than were counted.")]
    counted_up_to: int
    oldest_waits_since: datetime | None


class LanguageResponse(Struct, kw_only=True):
    """A language, and whether it is available."""

    name: Annotated[str, Meta(description="The name in uploads.", examples=["python"])]
    extension: Annotated[str, Meta(examples=[".py"])]
    available: bool
    version: Annotated[
        str | None,
        Meta(
            description="The version of the compiler or interpreter; null if it is unknown, for "
            "example that of a runner.",
            examples=["3.11.2"],
        ),
    ]
    version_pending: Annotated[bool, Meta(description="Whether the version is still being determined.")]
    unavailable_because: Annotated[
        str | None,
        Meta(description="Why it is unavailable, and what to do; null if it is available.", examples=[None]),
    ]
    unavailable_text: Annotated[
        SentenceResponse | UnsetType,
        Meta(description="`unavailable_because` as a code with values, to be translated."),
    ] = UNSET


class RuntimeResponse(Struct, kw_only=True):
    """A version or environment of a language, and whether it is available."""

    name: Annotated[str, Meta(description="The name in uploads.", examples=["python+numpy"])]
    language: Annotated[str, Meta(examples=["python"])]
    version: Annotated[str | None, Meta(examples=["3.13.1"])]
    default: Annotated[
        bool, Meta(description="Whether jobs of the language that name no runtime use this one.")
    ]
    presets: Annotated[
        list[str],
        Meta(description="The names of its sets of compiler flags.", examples=[["cpp17", "strict"]]),
    ]
    available: bool
    unavailable_because: Annotated[
        str | None, Meta(description="Why it is unavailable; null if it is available.", examples=[None])
    ]
    unavailable_text: Annotated[
        SentenceResponse | UnsetType,
        Meta(description="`unavailable_because` as a code with values, to be translated."),
    ] = UNSET


class EngineResponse(Struct, kw_only=True):
    """The engine that runs programs, its limits and languages, and its queue."""

    name: str
    isolated: Annotated[
        Isolated,
        Meta(
            description="Whether programs are isolated from the machine and from each other. `partly`: "
            "they can exhaust shared resources of the host. Null: the engine does not report it."
        ),
    ]
    missing: Annotated[
        list[str], Meta(description="The guarantees that this host does not provide, each with a remedy.")
    ]
    warning: Annotated[
        str | None,
        Meta(
            description="A warning about a configuration that is unsuitable for production; null if "
            "there is none."
        ),
    ]
    warm_start: Annotated[
        str | None, Meta(description="The languages with prepared sandboxes, or why there are none.")
    ]
    control_groups: Annotated[
        str | None,
        Meta(
            description="Where the control groups of programs are, or why there are none and how to "
            "enable them."
        ),
    ]
    limits: Annotated[dict[str, str], Meta(description="How each limit is enforced.")]
    slots: Annotated[int, Meta(description="The number of programs that each worker runs at once.")]
    languages: list[LanguageResponse]
    queue: QueueResponse
    warning_text: Annotated[
        SentenceResponse | UnsetType, Meta(description="`warning` as a code with values, to be translated.")
    ] = UNSET
    limit_texts: Annotated[
        dict[str, SentenceResponse] | UnsetType,
        Meta(description="`limits` as codes with values, to be translated."),
    ] = UNSET
    missing_texts: Annotated[
        list[SentenceResponse] | UnsetType,
        Meta(description="`missing` as codes with values, to be translated."),
    ] = UNSET
    warm_start_text: Annotated[
        SentenceResponse | UnsetType,
        Meta(description="`warm_start` as a code with values, to be translated."),
    ] = UNSET
    control_groups_text: Annotated[
        SentenceResponse | UnsetType,
        Meta(description="`control_groups` as a code with values, to be translated."),
    ] = UNSET
