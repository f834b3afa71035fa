"""How an execution ended, as callers see it."""

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from domain.execution import Note
from domain.job_lifecycle import JobStatus, Reason


class Resource(Struct, kw_only=True):
    """The usage of an execution. A figure that its engine did not report is 0, and named in `unknown`."""

    cpu_percent: Annotated[float, Meta(description="CPU time by wall time.", examples=[97.5])]
    memory_mb: Annotated[float, Meta(description="Peak memory, in MiB.", examples=[9.4])]
    execution_time_ms: Annotated[float, Meta(description="Wall time.", examples=[12])]
    cpu_time_ms: Annotated[int | None, Meta(description="CPU time; null if unknown.", examples=[11])]
    unknown: Annotated[
        list[str] | UnsetType,
        Meta(description="The figures that are 0 because they are unknown; absent if all are known."),
    ] = UNSET


class NoteResponse(Struct, kw_only=True):
    """A remark on an execution."""

    code: Note
    detail: Annotated[str, Meta(description="The remark as a sentence.")]


class ReachedLimit(Struct, kw_only=True):
    """The limit that ended an execution."""

    name: Annotated[str, Meta(description="As in an upload.", examples=["timeout_ms"])]
    measured: int
    allowed: int


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
    error_message: Annotated[str | None, Meta(description="What the engine says.", examples=[None])]
    completed_at: datetime | None
    compile_output: Annotated[
        str | None,
        Meta(description="The messages of compiler and linker; null if nothing was built."),
    ]
    notes: Annotated[list[NoteResponse], Meta(description="Remarks on the execution.")]
