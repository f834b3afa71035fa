"""Schemas of jobs and the results of their executions. Times are RFC 3339 in UTC."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from domain.cases import StopOn, Verdict
from domain.checker import CheckerKind
from domain.execution import Note
from domain.job_lifecycle import JobStatus, Phase, Reason


class Resource(Struct, kw_only=True):
    """The usage of an execution. Figures that its engine did not report are 0, and are named in `unknown`."""

    cpu_percent: Annotated[float, Meta(description="CPU time as a percentage of wall time.", examples=[97.5])]
    memory_mb: Annotated[float, Meta(description="Peak memory, in MiB.", examples=[9.4])]
    execution_time_ms: Annotated[float, Meta(description="Wall time in milliseconds.", examples=[12])]
    cpu_time_ms: Annotated[
        int | None, Meta(description="CPU time in milliseconds; null if unknown.", examples=[11])
    ]
    unknown: Annotated[
        list[str] | UnsetType,
        Meta(
            description="Names of the fields that are 0 because their values are unknown; absent if "
            "all are known."
        ),
    ] = UNSET


class NoteResponse(Struct, kw_only=True):
    """A note on an execution."""

    code: Note
    detail: Annotated[str, Meta(description="The note as a sentence.")]


class ReachedLimit(Struct, kw_only=True):
    """The limit that ended an execution."""

    name: Annotated[str, Meta(description="The name of the limit in an upload.", examples=["timeout_ms"])]
    measured: int
    allowed: int


class CaseResult(Struct, kw_only=True):
    """The result of a case. If it is hidden, `stdout`, `stderr`, `diff` and `checker_message` are null."""

    name: Annotated[str, Meta(examples=["small"])]
    verdict: Verdict
    time_ms: Annotated[
        int | None, Meta(description="Wall time in milliseconds; null if the case was skipped.", examples=[3])
    ]
    cpu_time_ms: Annotated[int | None, Meta(description="CPU time in milliseconds.", examples=[2])]
    memory_mb: Annotated[float | None, Meta(description="Peak memory, in MiB.", examples=[3.4])]
    weight: Annotated[float, Meta(description="The maximum that the case adds to the score.", examples=[1.0])]
    score: Annotated[
        float,
        Meta(
            description="What the case added to the score: the points that the checker gave, or else "
            "its weight if it was accepted and 0 if not.",
            examples=[1.0],
        ),
    ]
    hidden: Annotated[
        bool,
        Meta(description="Whether input, output and messages of the case are not shown.", examples=[False]),
    ]
    exit_code: Annotated[int | None, Meta(examples=[0])]
    signal: Annotated[int | None, Meta(examples=[None])]
    stdout: Annotated[
        str | None, Meta(description="The beginning of the program's stdout.", examples=["5\n"])
    ]
    stderr: Annotated[
        str | None,
        Meta(
            description="The beginning of the program's stderr; null if the case was accepted.",
            examples=[None],
        ),
    ]
    diff: Annotated[
        str | None, Meta(description="The first difference from the expected output.", examples=[None])
    ]
    checker_message: Annotated[str | None, Meta(description="The checker's message.", examples=[None])]
    first_time_ms: Annotated[
        int | None,
        Meta(
            description="Wall time in milliseconds of a first run that reached a time limit while the "
            "machine was busy. The other values are those of the second run, during which no other "
            "program ran.",
            examples=[None],
        ),
    ]
    first_processors: Annotated[
        tuple[int, ...] | UnsetType,
        Meta(
            description="CPU usage of the machine during the first run, in percent, at regular "
            "intervals; absent if the case ran only once."
        ),
    ] = UNSET
    processors: Annotated[
        tuple[int, ...] | UnsetType, Meta(description="CPU usage of the machine during the second run.")
    ] = UNSET


class CasesResponse(Struct, kw_only=True):
    """The results of a job's cases so far."""

    job_id: Annotated[str, Meta(examples=["01890a5d-ac96-774b-bcce-b302099a8057"])]
    total: Annotated[int, Meta(description="The number of cases.", examples=[100])]
    passed: Annotated[int, Meta(description="The number of accepted cases.", examples=[40])]
    done: Annotated[int, Meta(description="The number of cases with a result.", examples=[41])]
    cases: Annotated[list[CaseResult], Meta(description="The cases with a result, in order.")]


class ArtifactResponse(Struct, kw_only=True):
    """A file that the program wrote."""

    path: Annotated[str, Meta(examples=["out/plot.png"])]
    size: Annotated[int, Meta(description="Size in bytes.", examples=[1024])]
    media_type: Annotated[
        str, Meta(description="The media type, by the file's extension.", examples=["image/png"])
    ]
    sha256: str
    url: Annotated[str, Meta(description="URL of the file; it requires the caller's key.")]


class SentenceResponse(Struct, kw_only=True):
    """A sentence of the catalogue, which has a text for each language."""

    code: Annotated[str, Meta(examples=["outcomes.exit_code"])]
    values: Annotated[
        dict[str, Any],
        Meta(
            description="The values of its placeholders. A value that is itself a sentence is an "
            "object with `code` and `values`.",
            examples=[{"code": 3}],
        ),
    ]


class ExecutionResult(Struct, kw_only=True):
    """How an execution ended."""

    job_id: Annotated[str, Meta(examples=["01890a5d-ac96-774b-bcce-b302099a8057"])]
    status: JobStatus
    reason: Annotated[Reason | None, Meta(description="Why the execution did not succeed; null if it did.")]
    stdout: Annotated[
        str,
        Meta(
            description="The program's stdout, or its beginning and end if it is long. Bytes that are "
            "not UTF-8 are replaced by U+FFFD; the log has the original bytes.",
            examples=["hello, world\n"],
        ),
    ]
    stderr: Annotated[str, Meta(examples=[""])]
    stdout_bytes: Annotated[int, Meta(description="The number of bytes written to stdout.", examples=[13])]
    stderr_bytes: Annotated[int, Meta(examples=[0])]
    stdout_truncated: Annotated[
        bool, Meta(description="Whether `stdout` is only the beginning and end.", examples=[False])
    ]
    stderr_truncated: Annotated[bool, Meta(examples=[False])]
    exit_code: Annotated[int | None, Meta(examples=[0])]
    signal: Annotated[
        int | None, Meta(description="The number of the signal that ended the program.", examples=[None])
    ]
    resource: Resource | None
    limit: ReachedLimit | None
    code_key: Annotated[str, Meta(examples=["hello/01890a5d-ac96-774b-bcce-b302099a8057.py"])]
    log_key: Annotated[str | None, Meta(examples=["logs/01890a5d-b1c2-7d3e-8f40-5a6b7c8d9e0f.json"])]
    logs_url: Annotated[str | None, Meta(description="Signed URL of the log, valid for a limited time.")]
    error_message: Annotated[
        str | None,
        Meta(
            description="Why the execution did not succeed, as a sentence; null if it did.", examples=[None]
        ),
    ]
    completed_at: datetime | None
    compile_output: Annotated[
        str | None,
        Meta(description="Output of compiler and linker; null if nothing was built."),
    ]
    notes: Annotated[list[NoteResponse], Meta(description="Notes on the execution.")]
    error_text: Annotated[
        SentenceResponse | UnsetType,
        Meta(
            description="`error_message` as a code with values, to be translated; absent if the text "
            "is the engine's own."
        ),
    ] = UNSET
    artifacts: Annotated[
        list[ArtifactResponse] | UnsetType,
        Meta(description="The kept files that the program wrote; absent if there are none."),
    ] = UNSET
    passed: Annotated[
        int | UnsetType, Meta(description="The number of cases that passed; absent if the job has no cases.")
    ] = UNSET
    total: Annotated[int | UnsetType, Meta(description="The number of cases.")] = UNSET
    score: Annotated[float | UnsetType, Meta(description="The sum of the scores of all cases.")] = UNSET
    max_score: Annotated[float | UnsetType, Meta(description="The sum of the weights of all cases.")] = UNSET
    slowest: Annotated[
        int | UnsetType | None, Meta(description="The index of the case that took longest; null if none ran.")
    ] = UNSET
    largest: Annotated[
        int | UnsetType | None,
        Meta(description="The index of the case that used the most memory; null if none ran."),
    ] = UNSET
    cases: Annotated[
        list[CaseResult] | UnsetType,
        Meta(
            description="The result of each case. Only in a job's details; lists and responses to "
            "uploads have only the sums."
        ),
    ] = UNSET


_JobId = Annotated[str, Meta(examples=["01890a5d-ac96-774b-bcce-b302099a8057"])]
_LogKey = Annotated[
    str | None,
    Meta(
        description="Object key of the log of the latest execution.",
        examples=["logs/01890a5d-b1c2-7d3e-8f40-5a6b7c8d9e0f.json"],
    ),
]
_LogsUrl = Annotated[str | None, Meta(description="Signed URL of the log, valid for a limited time.")]


class JobData(Struct, kw_only=True):
    """The data of a job besides its status."""

    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    code_key: Annotated[str, Meta(examples=["hello/01890a5d-ac96-774b-bcce-b302099a8057.py"])]
    language: Annotated[str, Meta(examples=["python"])]
    reason: Annotated[
        Reason | None, Meta(description="Why the job did not succeed; null if it succeeded or has not ended.")
    ]
    tags: dict[str, str]
    phase: Phase
    run_started_at: datetime | None
    notes: Annotated[list[NoteResponse], Meta(description="Notes on the latest execution.")]
    result: Annotated[
        ExecutionResult | UnsetType,
        Meta(description="The result of the latest execution; absent until it has ended."),
    ] = UNSET


class JobResponse(Struct, kw_only=True):
    """A job."""

    job_id: _JobId
    project: Annotated[str, Meta(description="The project's name.", examples=["hello"])]
    code_key: Annotated[str, Meta(examples=["hello/01890a5d-ac96-774b-bcce-b302099a8057.py"])]
    status: JobStatus
    message: Annotated[str, Meta(description="A message for people.", examples=["Execution started"])]
    phase: Annotated[
        Phase, Meta(description="The actual progress: a job with the status RUNNING may still be waiting.")
    ]
    run_started_at: Annotated[
        datetime | None, Meta(description="When the program of the latest execution started.")
    ]
    log_key: _LogKey
    logs_url: _LogsUrl
    data: JobData
    callback_secret: Annotated[
        str | UnsetType,
        Meta(
            description="The secret that signs requests to `callback_url`. Only in the response to the "
            "upload for which it was generated."
        ),
    ] = UNSET
    rerun_of: Annotated[
        str | UnsetType,
        Meta(description="The job of which this job is a rerun; absent in lists, and if it is not a rerun."),
    ] = UNSET


class JobStatusResponse(Struct, kw_only=True):
    """The status of a job."""

    job_id: _JobId
    status: JobStatus
    reason: Annotated[
        Reason | None, Meta(description="Why the job did not succeed; null if it succeeded or has not ended.")
    ]
    project: Annotated[str, Meta(examples=["hello"])]
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    timeout_ms: Annotated[int, Meta(examples=[30000])]
    log_key: _LogKey
    logs_url: _LogsUrl
    phase: Annotated[
        Phase, Meta(description="The actual progress: a job with the status RUNNING may still be waiting.")
    ]
    run_started_at: Annotated[
        datetime | None, Meta(description="When the program of the latest execution started.")
    ]


class StoredFile(Struct, kw_only=True):
    """A file of a job."""

    path: Annotated[str, Meta(examples=["data/input.csv"])]
    size: Annotated[int, Meta(description="Size in bytes.", examples=[1024])]
    sha256: str


class JobSpecification(Struct, kw_only=True):
    """The options and limits of an upload, including defaults."""

    language: Annotated[str, Meta(examples=["python"])]
    function_name: str | None
    description: str | None
    stdin: str
    args: tuple[str, ...]
    env: dict[str, str]
    tags: dict[str, str]
    priority: Annotated[int, Meta(examples=[5])]
    max_attempts: Annotated[int, Meta(examples=[1])]
    retry_on: Annotated[list[Reason], Meta(description="The reasons for which the job is retried.")]
    runtime: Annotated[
        str | UnsetType, Meta(description="The runtime; absent if it is the language's default.")
    ] = UNSET
    presets: Annotated[
        list[str] | UnsetType, Meta(description="Names of sets of compiler flags; absent if there are none.")
    ] = UNSET
    callback_url: Annotated[str | None, Meta(description="URL to which the end of the job is posted.")]
    limits: Annotated[dict[str, int], Meta(examples=[{"timeout_ms": 30000, "memory_mb": 256}])]
    cases: Annotated[int, Meta(description="The number of cases.", examples=[0])]
    stop_on: Annotated[
        StopOn | None, Meta(description="When the remaining cases are skipped; null if the job has no cases.")
    ]
    case_set: Annotated[
        str | None,
        Meta(
            description="The case set that the cases are from, as `name@version`; null if they were "
            "uploaded with the job."
        ),
    ]
    checker: Annotated[
        CheckerKind | None,
        Meta(description="How outputs are compared with the expected ones; null if the job has no cases."),
    ]
    interactor: Annotated[
        str | None,
        Meta(
            description="The language of the program that interacts with the uploaded program; null if "
            "there is none."
        ),
    ]
    entry: Annotated[
        str | UnsetType, Meta(description="The path of the code; absent if the program is a single file.")
    ] = UNSET
    files: Annotated[list[StoredFile] | UnsetType, Meta(description="The files uploaded with the code.")] = (
        UNSET
    )
    stdin_file: Annotated[
        str | UnsetType, Meta(description="The path of the file that the program gets as stdin.")
    ] = UNSET
    artifacts: Annotated[
        list[str] | UnsetType, Meta(description="Path patterns of the files that are kept after the run.")
    ] = UNSET
    stdin_bytes: Annotated[
        int | UnsetType,
        Meta(description="Size in bytes of a stdin that was uploaded as bytes and is therefore not shown."),
    ] = UNSET


class ExecutionResponse(Struct, kw_only=True):
    """One attempt to run a job."""

    execution_id: Annotated[str, Meta(examples=["01890a5d-b1c2-7d3e-8f40-5a6b7c8d9e0f"])]
    number: Annotated[int, Meta(description="1 for the first attempt.", examples=[1])]
    stdin: Annotated[str | None, Meta(description="The input of this execution; null if it is the job's.")]
    requested_at: datetime
    claimed_at: Annotated[datetime | None, Meta(description="When a worker claimed the execution.")]
    building_at: Annotated[
        datetime | None, Meta(description="When the build started; null if nothing is built.")
    ]
    started_at: Annotated[
        datetime | None,
        Meta(
            description="When the engine started the program. For engines that start it when they "
            "receive it, the time of the claim."
        ),
    ]
    ended_at: datetime | None
    delayed_until: Annotated[
        datetime | UnsetType,
        Meta(
            description="When the delay ends before this retry, or before a program that its engine refused "
            "is sent again; absent if there is none, or it is over."
        ),
    ] = UNSET
    notes: Annotated[list[NoteResponse], Meta(description="Notes, available from the start on.")]
    result: ExecutionResult | None


class JobDetailsResponse(JobResponse, kw_only=True):
    """A job with its options and executions."""

    spec: JobSpecification
    executions: Annotated[list[ExecutionResponse], Meta(description="All attempts, oldest first.")]
    reruns: Annotated[
        list[str] | UnsetType,
        Meta(description="Reruns of this job, newest first, at most 100; absent if there are none."),
    ] = UNSET
    batch_id: Annotated[
        str | UnsetType,
        Meta(description="The batch with which the job was submitted; absent if there is none."),
    ] = UNSET
