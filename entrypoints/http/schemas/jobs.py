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

    cpu_percent: Annotated[float, Meta(description="CPU time by wall time.", examples=[97.5])]
    memory_mb: Annotated[float, Meta(description="Peak memory, in MiB.", examples=[9.4])]
    execution_time_ms: Annotated[float, Meta(description="Wall time.", examples=[12])]
    cpu_time_ms: Annotated[int | None, Meta(description="CPU time; null if unknown.", examples=[11])]
    unknown: Annotated[
        list[str] | UnsetType,
        Meta(description="The figures that are 0 because they are unknown; absent if all are known."),
    ] = UNSET


class NoteResponse(Struct, kw_only=True):
    """A note on an execution."""

    code: Note
    detail: Annotated[str, Meta(description="The remark as a sentence.")]


class ReachedLimit(Struct, kw_only=True):
    """The limit that ended an execution."""

    name: Annotated[str, Meta(description="As in an upload.", examples=["timeout_ms"])]
    measured: int
    allowed: int


class CaseResult(Struct, kw_only=True):
    """The result of a case. If it is hidden, `stdout`, `stderr`, `diff` and `checker_message` are null."""

    name: Annotated[str, Meta(examples=["small"])]
    verdict: Verdict
    time_ms: Annotated[int | None, Meta(description="Wall time; null if it was skipped.", examples=[3])]
    cpu_time_ms: Annotated[int | None, Meta(description="CPU time.", examples=[2])]
    memory_mb: Annotated[float | None, Meta(description="Peak memory, in MiB.", examples=[3.4])]
    weight: Annotated[float, Meta(description="The most that it adds to the score.", examples=[1.0])]
    score: Annotated[
        float,
        Meta(
            description="What it added to the score: its weight if it was accepted, the points of a checker "
            "that gave some, else 0.",
            examples=[1.0],
        ),
    ]
    hidden: Annotated[bool, Meta(description="Whether its contents are not shown.", examples=[False])]
    exit_code: Annotated[int | None, Meta(examples=[0])]
    signal: Annotated[int | None, Meta(examples=[None])]
    stdout: Annotated[
        str | None, Meta(description="The beginning of what the program wrote.", examples=["5\n"])
    ]
    stderr: Annotated[
        str | None,
        Meta(description="The beginning of its stderr; null if the case was accepted.", examples=[None]),
    ]
    diff: Annotated[
        str | None, Meta(description="The first difference from what was expected.", examples=[None])
    ]
    checker_message: Annotated[str | None, Meta(description="The words of a checker.", examples=[None])]
    first_time_ms: Annotated[
        int | None,
        Meta(
            description="Wall time of a first run that reached a time limit while the machine was busy; the "
            "other figures are those of a second run, alone.",
            examples=[None],
        ),
    ]
    first_processors: Annotated[
        tuple[int, ...] | UnsetType,
        Meta(
            description="The use of the machine's processors during that first run, in percent, at even "
            "steps; absent if the case was run once."
        ),
    ] = UNSET
    processors: Annotated[
        tuple[int, ...] | UnsetType, Meta(description="The same during the second run.")
    ] = UNSET


class CasesResponse(Struct, kw_only=True):
    """The results of a job's cases so far."""

    job_id: Annotated[str, Meta(examples=["01890a5d-ac96-774b-bcce-b302099a8057"])]
    total: Annotated[int, Meta(description="How many cases there are.", examples=[100])]
    passed: Annotated[int, Meta(description="How many were accepted.", examples=[40])]
    done: Annotated[int, Meta(description="How many have a result.", examples=[41])]
    cases: Annotated[list[CaseResult], Meta(description="The ones with a result, in their order.")]


class ArtifactResponse(Struct, kw_only=True):
    """A file that the program wrote."""

    path: Annotated[str, Meta(examples=["out/plot.png"])]
    size: Annotated[int, Meta(description="In bytes.", examples=[1024])]
    media_type: Annotated[str, Meta(description="By the path's ending.", examples=["image/png"])]
    sha256: str
    url: Annotated[str, Meta(description="Where the file can be fetched, with the caller's key.")]


class SentenceResponse(Struct, kw_only=True):
    """A sentence of the catalogue, which has a text for each language."""

    code: Annotated[str, Meta(examples=["outcomes.exit_code"])]
    values: Annotated[
        dict[str, Any],
        Meta(
            description="The values in it; one that is a sentence has its `code` and its `values`.",
            examples=[{"code": 3}],
        ),
    ]


class ExecutionResult(Struct, kw_only=True):
    """How an execution ended."""

    job_id: Annotated[str, Meta(examples=["01890a5d-ac96-774b-bcce-b302099a8057"])]
    status: JobStatus
    reason: Annotated[Reason | None, Meta(description="Why it did not succeed; null if it did.")]
    stdout: Annotated[
        str,
        Meta(
            description="What the program wrote: all of it, or its head and tail. U+FFFD stands for bytes "
            "that are not UTF-8; the log has them.",
            examples=["hello, world\n"],
        ),
    ]
    stderr: Annotated[str, Meta(examples=[""])]
    stdout_bytes: Annotated[int, Meta(description="How many bytes it wrote.", examples=[13])]
    stderr_bytes: Annotated[int, Meta(examples=[0])]
    stdout_truncated: Annotated[bool, Meta(description="Whether the log has more.", examples=[False])]
    stderr_truncated: Annotated[bool, Meta(examples=[False])]
    exit_code: Annotated[int | None, Meta(examples=[0])]
    signal: Annotated[int | None, Meta(description="The signal that ended it.", examples=[None])]
    resource: Resource | None
    limit: ReachedLimit | None
    code_key: Annotated[str, Meta(examples=["hello/01890a5d-ac96-774b-bcce-b302099a8057.py"])]
    log_key: Annotated[str | None, Meta(examples=["logs/01890a5d-b1c2-7d3e-8f40-5a6b7c8d9e0f.json"])]
    logs_url: Annotated[str | None, Meta(description="Where the log can be fetched, for some time.")]
    error_message: Annotated[str | None, Meta(description="Why it did not succeed.", examples=[None])]
    completed_at: datetime | None
    compile_output: Annotated[
        str | None,
        Meta(description="The messages of compiler and linker; null if nothing was built."),
    ]
    notes: Annotated[list[NoteResponse], Meta(description="Remarks on the execution.")]
    error_text: Annotated[
        SentenceResponse | UnsetType,
        Meta(description="`error_message` for readers in other languages; absent if an engine wrote it."),
    ] = UNSET
    artifacts: Annotated[
        list[ArtifactResponse] | UnsetType,
        Meta(description="The files that the program wrote and that are kept; absent without."),
    ] = UNSET
    passed: Annotated[
        int | UnsetType, Meta(description="How many test cases passed; absent without cases.")
    ] = UNSET
    total: Annotated[int | UnsetType, Meta(description="How many cases there are.")] = UNSET
    score: Annotated[float | UnsetType, Meta(description="The scores of all cases together.")] = UNSET
    max_score: Annotated[float | UnsetType, Meta(description="The weights of all cases together.")] = UNSET
    slowest: Annotated[
        int | UnsetType | None, Meta(description="The index of the slowest case; null if none ran.")
    ] = UNSET
    largest: Annotated[
        int | UnsetType | None, Meta(description="The index of the case with the most memory.")
    ] = UNSET
    cases: Annotated[
        list[CaseResult] | UnsetType,
        Meta(description="Each case, in a job's details; lists and answers to uploads have the sums alone."),
    ] = UNSET


_JobId = Annotated[str, Meta(examples=["01890a5d-ac96-774b-bcce-b302099a8057"])]
_LogKey = Annotated[
    str | None,
    Meta(
        description="The log of the latest execution.",
        examples=["logs/01890a5d-b1c2-7d3e-8f40-5a6b7c8d9e0f.json"],
    ),
]
_LogsUrl = Annotated[str | None, Meta(description="Where the log can be fetched, for some time.")]


class JobData(Struct, kw_only=True):
    """The data of a job besides its status."""

    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    code_key: Annotated[str, Meta(examples=["hello/01890a5d-ac96-774b-bcce-b302099a8057.py"])]
    language: Annotated[str, Meta(examples=["python"])]
    reason: Annotated[Reason | None, Meta(description="Why it did not succeed; null while it may.")]
    tags: dict[str, str]
    phase: Phase
    run_started_at: datetime | None
    notes: Annotated[list[NoteResponse], Meta(description="Remarks on the latest execution.")]
    result: Annotated[
        ExecutionResult | UnsetType, Meta(description="How the latest execution ended; absent until then.")
    ] = UNSET


class JobResponse(Struct, kw_only=True):
    """A job."""

    job_id: _JobId
    project: Annotated[str, Meta(description="The project's name.", examples=["hello"])]
    code_key: Annotated[str, Meta(examples=["hello/01890a5d-ac96-774b-bcce-b302099a8057.py"])]
    status: JobStatus
    message: Annotated[str, Meta(description="A sentence for people.", examples=["Execution started"])]
    phase: Annotated[Phase, Meta(description="How far it has really come: RUNNING jobs may still wait.")]
    run_started_at: Annotated[
        datetime | None, Meta(description="When the program of the latest execution was started.")
    ]
    log_key: _LogKey
    logs_url: _LogsUrl
    data: JobData
    callback_secret: Annotated[
        str | UnsetType,
        Meta(
            description="The secret that signs what is posted to `callback_url`, once: in the answer to the "
            "upload that it was made for."
        ),
    ] = UNSET
    rerun_of: Annotated[
        str | UnsetType,
        Meta(description="The job that it runs again; absent in lists, and if there is none."),
    ] = UNSET


class JobStatusResponse(Struct, kw_only=True):
    """The status of a job."""

    job_id: _JobId
    status: JobStatus
    reason: Annotated[Reason | None, Meta(description="Why it did not succeed; null while it may.")]
    project: Annotated[str, Meta(examples=["hello"])]
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    timeout_ms: Annotated[int, Meta(examples=[30000])]
    log_key: _LogKey
    logs_url: _LogsUrl
    phase: Annotated[Phase, Meta(description="How far it has really come: RUNNING jobs may still wait.")]
    run_started_at: Annotated[
        datetime | None, Meta(description="When the program of the latest execution was started.")
    ]


class StoredFile(Struct, kw_only=True):
    """A file of a job."""

    path: Annotated[str, Meta(examples=["data/input.csv"])]
    size: Annotated[int, Meta(description="In bytes.", examples=[1024])]
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
    retry_on: Annotated[list[Reason], Meta(description="The reasons for which it is run again.")]
    runtime: Annotated[str | UnsetType, Meta(description="The runtime; absent for the default one.")] = UNSET
    presets: Annotated[
        list[str] | UnsetType, Meta(description="Sets of the compiler's flags; absent without.")
    ] = UNSET
    callback_url: Annotated[str | None, Meta(description="Where the end of the job is posted to.")]
    limits: Annotated[dict[str, int], Meta(examples=[{"timeout_ms": 30000, "memory_mb": 256}])]
    cases: Annotated[int, Meta(description="How many cases there are.", examples=[0])]
    stop_on: Annotated[
        StopOn | None, Meta(description="When the remaining cases are skipped; null without cases.")
    ]
    case_set: Annotated[
        str | None, Meta(description="The version of a case set that they are of, as `name@version`.")
    ]
    checker: Annotated[CheckerKind | None, Meta(description="How outputs are compared; null without cases.")]
    interactor: Annotated[
        str | None, Meta(description="The language of the program that speaks with the uploaded one.")
    ]
    entry: Annotated[
        str | UnsetType, Meta(description="The path of the code; absent for a program of one file.")
    ] = UNSET
    files: Annotated[list[StoredFile] | UnsetType, Meta(description="The files beside the code.")] = UNSET
    stdin_file: Annotated[str | UnsetType, Meta(description="The file that is read as stdin.")] = UNSET
    artifacts: Annotated[list[str] | UnsetType, Meta(description="Patterns of the files that are kept.")] = (
        UNSET
    )
    stdin_bytes: Annotated[
        int | UnsetType, Meta(description="The size of a stdin that is not shown, for it came as bytes.")
    ] = UNSET


class ExecutionResponse(Struct, kw_only=True):
    """One attempt to run a job."""

    execution_id: Annotated[str, Meta(examples=["01890a5d-b1c2-7d3e-8f40-5a6b7c8d9e0f"])]
    number: Annotated[int, Meta(description="1 for the first attempt.", examples=[1])]
    stdin: Annotated[str | None, Meta(description="What it was given to read; null: the job's own.")]
    requested_at: datetime
    claimed_at: Annotated[datetime | None, Meta(description="When a worker took it.")]
    building_at: Annotated[datetime | None, Meta(description="When its compiler was started, if it has one.")]
    started_at: Annotated[
        datetime | None,
        Meta(description="When its engine started the program; if that is at once, when it was claimed."),
    ]
    ended_at: datetime | None
    delayed_until: Annotated[
        datetime | UnsetType,
        Meta(description="When the delay that follows a failed attempt ends; absent once it is over."),
    ] = UNSET
    notes: Annotated[list[NoteResponse], Meta(description="Remarks, from its start on.")]
    result: ExecutionResult | None


class JobDetailsResponse(JobResponse, kw_only=True):
    """A job with its options and executions."""

    spec: JobSpecification
    executions: Annotated[list[ExecutionResponse], Meta(description="Every attempt, the latest last.")]
    reruns: Annotated[
        list[str] | UnsetType,
        Meta(description="The jobs that run it again, the latest first, a hundred at most; absent without."),
    ] = UNSET
    batch_id: Annotated[str | UnsetType, Meta(description="The batch that it was submitted in.")] = UNSET
