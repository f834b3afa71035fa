"""The presenter of jobs: from views to responses."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from litestar import Response
from msgspec import UNSET

from application.ports.object_store import ObjectStore
from application.views import BatchView, JobDetails, JobStatusView, JobView
from domain.artifacts import media_type
from domain.caller import Caller, Scope
from domain.cases import CaseResult, Summary
from domain.execution import Execution, Note, ResourceUsage
from domain.execution import ExecutionResult as Result
from domain.job_lifecycle import JobStatus, Phase, Reason
from domain.submission import JobSpec
from domain.values import JobId, ObjectKey
from entrypoints.http.conditional import entity_tag
from entrypoints.http.schemas.batches import BatchResponse
from entrypoints.http.schemas.jobs import (
    ArtifactResponse,
    ExecutionResponse,
    ExecutionResult,
    JobData,
    JobDetailsResponse,
    JobResponse,
    JobSpecification,
    JobStatusResponse,
    NoteResponse,
    ReachedLimit,
    Resource,
    StoredFile,
)
from entrypoints.http.schemas.jobs import (
    CaseResult as CaseResponse,
)

Shown = TypeVar("Shown")

# In JSON a quotation mark within a string is escaped, so this is never part of one.
_SIGNED = re.compile(rb'"logs_url":"[^"]*+"')
_SECRET = re.compile(rb',"callback_secret":"[^"]*+"')
_MESSAGES: Mapping[JobStatus | Reason, str] = {
    JobStatus.PENDING: "Waiting to be executed",
    JobStatus.RUNNING: "Running",
    JobStatus.SUCCESS: "The program ended well",
    JobStatus.FAILED: "The program failed",
    JobStatus.TIMEOUT: "The program did not end within its time",
    JobStatus.CANCELLED: "Job cancelled",
    Reason.NONZERO_EXIT: "The program ended with an exit code other than zero",
    Reason.SIGNAL: "The program was ended by a signal",
    Reason.COMPILE_ERROR: "The code does not compile; see stderr",
    Reason.BUILD_LIMIT: "The build reached a limit",
    Reason.WALL_TIME_LIMIT: "The program did not end within its time",
    Reason.CPU_TIME_LIMIT: "The program used up its CPU time",
    Reason.MEMORY_LIMIT: "The program used up its memory",
    Reason.OUTPUT_LIMIT: "The program wrote more than it may",
    Reason.PROCESS_LIMIT: "The program started more processes than it may",
    Reason.CASES_FAILED: "Not every case was accepted",
    Reason.ENGINE_UNAVAILABLE: "The engine could not start the program",
    Reason.ENGINE_ERROR: "The engine failed to run the program",
    Reason.WORKER_LOST: "The worker that ran the program was lost",
    Reason.STORAGE_ERROR: "The program ended, but its log could not be stored",
    Reason.SECRETS_UNAVAILABLE: "The worker could not open the job's secrets",
    Reason.INTERNAL: "The service failed to run the program",
}
# A job that is RUNNING waits and is built before its program runs.
_PHASES: Mapping[Phase, str] = {Phase.WAITING: "Queued", Phase.BUILDING: "Building"}
_DEFERRED = "Queued: its engine is away, or has no room"
# Where the engine hides the exit code.
_WITHOUT_EXIT_CODE: Mapping[JobStatus | Reason, str] = {
    JobStatus.SUCCESS: "The program ended; its engine does not tell the exit code",
    Reason.NONZERO_EXIT: "The program failed; its engine does not tell the exit code",
}
_FIGURES = ("cpu_percent", "memory_mb", "execution_time_ms")
_NOTES: Mapping[Note, str] = {
    Note.STDIN_NOT_PASSED: "The engine passes programs no standard input: one that reads it finds nothing, "
    "or waits until its time is up.",
    Note.USAGE_UNKNOWN: "The engine does not tell all of what the program used; unknown figures are 0.",
    Note.EXIT_CODE_UNKNOWN: "The engine does not tell the exit code: a program whose stderr is empty counts "
    "as successful.",
    Note.OUTPUT_CUT_BY_RUNNER: "The output has the 1,048,576 bytes at which its runner cuts it: the program "
    "may have written more.",
    Note.CANCEL_NOT_SUPPORTED: "The engine cannot stop programs: this one runs on to its end.",
    Note.MAY_RUN_ON: "The engine was not seen to stop the program, which may run on.",
    Note.NO_NETWORK: "Programs have no network here.",
    Note.ARTIFACTS_LEFT_OUT: "Files that the program wrote are left out: there are too many, they are too "
    "large, or they are no plain files.",
    Note.ARTIFACTS_LOST: "The files that the program wrote could not be stored, for the store was away.",
    Note.MACHINE_BUSY: "The machine was busy: for a quarter of the program's time or more, some of its tasks "
    "waited for a processor.",
}


def present_batch(view: BatchView) -> BatchResponse:
    """Show a batch with its jobs."""
    batch = view.batch
    return BatchResponse(
        batch_id=str(batch.id),
        total=batch.total,
        by_status={status: view.by_status.get(status, 0) for status in JobStatus},
        jobs=[str(job_id) for job_id in view.jobs or ()],
        created_at=batch.created_at,
        cancelled_at=batch.cancelled_at,
        completed_at=batch.completed_at,
        callback_secret=UNSET if view.callback_secret is None else view.callback_secret.value,
    )


class Presenter:
    """Shows jobs to callers. It asks the log store for URLs, so it belongs on a thread.

    Args:
        links_logs: Whether jobs are shown with links to their logs, which are read without a key.
    """

    def __init__(self, log_store: ObjectStore, *, links_logs: bool = True) -> None:
        self._log_store = log_store
        self._links_logs = links_logs

    def to(self, caller: Caller) -> "Presenter":
        """Return a presenter that links logs if the caller may read them."""
        return Presenter(self._log_store, links_logs=caller.has(Scope.LOGS_READ))

    def job(self, view: JobView, message: str | None = None) -> JobResponse:
        """Show a job; the default message describes its state."""
        execution, phase, run_started_at = view.execution, view.phase, view.run_started_at
        result = None if execution is None else self._result(view.job_id, view.code_key, execution)
        if result is not None and view.cases:
            result.cases = [case_result(case) for case in view.cases]
        ended = None if execution is None else execution.result
        status = explain(view.status, view.reason, phase, ended)
        if phase is Phase.WAITING and execution is not None and execution.deferred_since is not None:
            status = _DEFERRED
        return JobResponse(
            job_id=str(view.job_id),
            project=view.project,
            code_key=view.code_key,
            status=view.status,
            message=message or status,
            phase=phase,
            run_started_at=run_started_at,
            log_key=None if result is None else result.log_key,
            logs_url=None if result is None else result.logs_url,
            rerun_of=UNSET if view.rerun_of is None else str(view.rerun_of),
            data=JobData(
                created_at=view.created_at,
                updated_at=view.updated_at,
                started_at=view.started_at,
                completed_at=view.completed_at,
                code_key=view.code_key,
                language=view.language,
                reason=view.reason,
                tags=dict(view.tags),
                phase=phase,
                run_started_at=run_started_at,
                notes=notes_of(execution),
                result=result or UNSET,
            ),
        )

    def status(self, view: JobStatusView) -> JobStatusResponse:
        """Show the status of a job."""
        return JobStatusResponse(
            job_id=str(view.job_id),
            status=view.status,
            reason=view.reason,
            project=view.project,
            created_at=view.created_at,
            started_at=view.started_at,
            completed_at=view.completed_at,
            timeout_ms=view.timeout_ms,
            log_key=_text(view.log_key),
            logs_url=self._url(view.log_key),
            phase=view.phase,
            run_started_at=view.run_started_at,
        )

    def details(self, details: JobDetails, reruns: Sequence[JobId] = ()) -> JobDetailsResponse:
        """Show a job and its executions, the latest with its cases, and the jobs that run it again."""
        shown = self.job(details.view)
        return JobDetailsResponse(
            **{name: getattr(shown, name) for name in JobResponse.__struct_fields__},
            spec=_specification(details.job.spec),
            executions=[
                self._execution(details.job.id, details.job.spec.code_key.value, execution)
                for execution in details.executions
            ],
            reruns=[str(job_id) for job_id in reruns] or UNSET,
            batch_id=UNSET if details.job.batch_id is None else str(details.job.batch_id),
        )

    def _execution(self, job_id: JobId, code_key: str, execution: Execution) -> ExecutionResponse:
        return ExecutionResponse(
            execution_id=str(execution.id),
            number=execution.number,
            stdin=execution.stdin,
            requested_at=execution.requested_at,
            claimed_at=execution.claimed_at,
            building_at=execution.building_at,
            started_at=execution.started_at,
            ended_at=execution.ended_at,
            delayed_until=execution.delayed_until or UNSET,
            notes=notes_of(execution),
            result=self._result(job_id, code_key, execution),
        )

    def _result(self, job_id: JobId, code_key: str, execution: Execution) -> ExecutionResult | None:
        result = execution.result
        if result is None:
            return None
        return ExecutionResult(
            job_id=str(job_id),
            status=result.status,
            reason=result.reason,
            stdout=result.stdout.text,
            stderr=result.stderr.text,
            stdout_bytes=result.stdout.total_bytes,
            stderr_bytes=result.stderr.total_bytes,
            stdout_truncated=result.stdout.truncated,
            stderr_truncated=result.stderr.truncated,
            exit_code=result.exit_code,
            signal=result.signal,
            resource=_resource(execution),
            limit=reached_limit(execution),
            code_key=code_key,
            log_key=_text(result.log_key),
            logs_url=self._url(result.log_key),
            error_message=result.error_message,
            completed_at=execution.ended_at,
            compile_output=None if result.compile_output is None else result.compile_output.text,
            notes=notes_of(execution),
            artifacts=artifacts_of(job_id, result) or UNSET,
            **_sums(result.cases),
        )

    def _url(self, log_key: ObjectKey | None) -> str | None:
        return self._log_store.url(log_key) if self._links_logs and log_key is not None else None


def tagged(shown: Shown) -> Response[Shown]:
    """Answer with a job and an entity tag, by which callers ask whether it has changed.

    The tag is weak: it leaves the signed URL out, which is new each time.
    """
    content = _SIGNED.sub(b"", msgspec.json.encode(shown))
    return Response(
        shown, headers={"ETag": entity_tag(content, weak=True), "Cache-Control": "private, no-cache"}
    )


def without_links(body: bytes) -> bytes:
    """Return an answer in JSON without its links to logs."""
    return _SIGNED.sub(b'"logs_url":null', body)


def without_secret(body: bytes) -> bytes:
    """Return an answer in JSON without the secret of a callback, which is shown once."""
    return _SECRET.sub(b"", body)


def explain(status: JobStatus, reason: Reason | None, phase: Phase, result: Result | None = None) -> str:
    """Return a sentence on the state of a job, whose latest execution ended with that result."""
    if status is JobStatus.RUNNING and phase in _PHASES:
        return _PHASES[phase]
    if result is not None and result.cases is not None:
        return f"{result.cases.passed} of {result.cases.total} cases were accepted"
    if result is not None and result.exit_code is None:
        hidden = _WITHOUT_EXIT_CODE.get(reason or status)
        if hidden is not None:
            return hidden
    return _MESSAGES.get(reason or status, _MESSAGES[status])


def _specification(spec: JobSpec) -> JobSpecification:
    cases = spec.cases
    files = [StoredFile(path=file.path, size=file.blob.size, sha256=file.blob.sha256) for file in spec.files]
    other: dict[str, Any] = {
        "language": spec.language.name,
        "limits": asdict(spec.limits),
        "cases": 0 if cases is None else cases.total,
        "stop_on": None if cases is None else cases.stop_on,
        "case_set": None if cases is None else cases.case_set,
        "checker": None if cases is None or cases.interactor is not None else cases.checker.kind,
        "interactor": None if cases is None or cases.interactor is None else cases.interactor.language.name,
        "entry": spec.entry or UNSET,
        "files": files or UNSET,
        "stdin_file": spec.stdin_file or UNSET,
        "artifacts": list(spec.artifacts) or UNSET,
        "stdin_bytes": UNSET if spec.stdin_blob is None else spec.stdin_blob.size,
        "runtime": spec.runtime or UNSET,
        "presets": list(spec.presets) or UNSET,
    }
    own = {name: getattr(spec, name) for name in JobSpecification.__struct_fields__ if name not in other}
    return JobSpecification(**own, **other)


def artifacts_of(job_id: JobId, result: Result) -> list[ArtifactResponse]:
    """Show the files that a program wrote."""
    return [
        ArtifactResponse(
            path=file.path,
            size=file.blob.size,
            media_type=media_type(file.path),
            sha256=file.blob.sha256,
            url=f"/api/jobs/{job_id}/artifacts/{quote(file.path)}",
        )
        for file in result.artifacts
    ]


def _sums(summary: Summary | None) -> dict[str, Any]:
    if summary is None:
        return {}
    names = ("passed", "total", "score", "max_score", "slowest", "largest")
    return {name: getattr(summary, name) for name in names}


def case_result(result: CaseResult) -> CaseResponse:
    """Show the result of a case; of a hidden one nothing of its input and its output."""
    shown = {name: getattr(result, name) for name in CaseResponse.__struct_fields__}
    if result.hidden:
        shown |= {"stdout": None, "diff": None, "checker_message": None}
    return CaseResponse(**shown)


def _resource(execution: Execution) -> Resource | None:
    """Show the usage of an execution, unknown figures as 0; None before its end, or if nothing ran."""
    usage = _usage(execution)
    if usage is None:
        return None
    return Resource(
        cpu_percent=usage.cpu_percent or 0.0,
        memory_mb=usage.memory_mb or 0.0,
        execution_time_ms=usage.execution_time_ms or 0.0,
        cpu_time_ms=usage.cpu_time_ms,
        unknown=_unknown(usage) or UNSET,
    )


def _usage(execution: Execution) -> ResourceUsage | None:
    result = execution.result
    if result is None or (result.resource is None and execution.started_at is None):
        return None
    return result.resource or ResourceUsage()


def _unknown(usage: ResourceUsage) -> list[str]:
    return [name for name in _FIGURES if getattr(usage, name) is None]


def notes_of(execution: Execution | None) -> list[NoteResponse]:
    """Show the remarks on an execution, and which figures of its usage are unknown."""
    if execution is None:
        return []
    usage = _usage(execution)
    unknown = [] if usage is None else _unknown(usage)
    notes = [NoteResponse(code=note, detail=_NOTES[note]) for note in execution.all_notes]
    if unknown:
        detail = f"The engine does not tell {', '.join(unknown)}; unknown figures are 0."
        notes = [note for note in notes if note.code is not Note.USAGE_UNKNOWN]
        notes.append(NoteResponse(code=Note.USAGE_UNKNOWN, detail=detail))
    return notes


def reached_limit(execution: Execution | None) -> ReachedLimit | None:
    """Show the limit that ended an execution, if one did."""
    limit = None if execution is None or execution.result is None else execution.result.limit
    if limit is None:
        return None
    return ReachedLimit(name=limit.name, measured=limit.measured, allowed=limit.allowed)


def _text(key: ObjectKey | None) -> str | None:
    return None if key is None else key.value
