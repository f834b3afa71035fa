"""The presenter of jobs, from views to responses."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar, cast
from urllib.parse import quote

import msgspec
from litestar import Response
from msgspec import UNSET, UnsetType

from application.ports.object_store import ObjectStore
from application.views import BatchView, JobDetails, JobStatusView, JobView
from domain.artifacts import media_type
from domain.caller import Caller, Scope
from domain.cases import CaseResult, Summary
from domain.catalogue.text import Text, text
from domain.execution import Execution, Note, ResourceUsage
from domain.execution import ExecutionResult as Result
from domain.job_lifecycle import JobStatus, Reason, State
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
    SentenceResponse,
    StoredFile,
)
from entrypoints.http.schemas.jobs import (
    CaseResult as CaseResponse,
)

Shown = TypeVar("Shown")

# In JSON, quotation marks within strings are escaped, so these patterns match no part of a string. Objects
# whose names callers choose, such as tags, are matched first, and kept.
_NAMED_BY_CALLERS = rb'("(?:tags|env)":\{(?:"(?:[^"\\]++|\\.)*"[:,]?)*\})'
_SIGNED = re.compile(_NAMED_BY_CALLERS + rb'|"logs_url":"[^"]*+"')
_SECRET = re.compile(_NAMED_BY_CALLERS + rb'|,"callback_secret":"[^"]*+"')
# The texts for executions without a known exit code.
_WITHOUT_EXIT_CODE: Mapping[JobStatus | Reason, Text] = {
    JobStatus.SUCCESS: text("job.explain_success_without_exit_code"),
    Reason.NONZERO_EXIT: text("job.explain_failed_without_exit_code"),
}
_FIGURES = ("cpu_percent", "memory_mb", "execution_time_ms")


def sentence_of(said: Text | str | None) -> SentenceResponse | UnsetType:
    """Present a text of the catalogue so that clients can translate it; UNSET for other text."""
    if not isinstance(said, Text):
        return UNSET
    return SentenceResponse(code=said.code, values=said.plain_values)


def present_batch(view: BatchView) -> BatchResponse:
    """Present a batch with its jobs."""
    batch = view.batch
    return BatchResponse(
        batch_id=str(batch.id),
        total=batch.total,
        by_status={status: view.by_status.get(status, 0) for status in JobStatus},
        by_phase=dict(view.by_phase),
        jobs=[str(job_id) for job_id in view.jobs or ()],
        created_at=batch.created_at,
        cancelled_at=batch.cancelled_at,
        completed_at=batch.completed_at,
        callback_secret=UNSET if view.callback_secret is None else view.callback_secret.value,
    )


class Presenter:
    """Presents jobs to callers. It asks the log store for URLs, so it must run on a thread.

    Args:
        links_logs: Whether responses contain links to logs, which can be read without a key.
    """

    def __init__(self, log_store: ObjectStore, *, links_logs: bool = True) -> None:
        self._log_store = log_store
        self._links_logs = links_logs

    def to(self, caller: Caller) -> "Presenter":
        """Return a presenter that links logs only if the caller may read them."""
        return Presenter(self._log_store, links_logs=caller.has(Scope.LOGS_READ))

    def job(self, view: JobView, message: str | None = None) -> JobResponse:
        """Present a job; the default message describes its state."""
        execution, phase, run_started_at = view.execution, view.phase, view.run_started_at
        job_id, notes = str(view.job_id), notes_of(execution)
        result = None if execution is None else self._result(job_id, view.code_key, execution, notes)
        if result is not None and view.cases:
            result.cases = [case_result(case) for case in view.cases]
        ended = None if execution is None else execution.result
        is_deferred = execution is not None and execution.deferred_since is not None
        status = explain(State.of(view.status, phase), view.reason, ended, is_deferred=is_deferred)
        return JobResponse(
            job_id=job_id,
            project=view.project,
            code_key=view.code_key,
            status=view.status,
            message=message or str(status),
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
                notes=notes,
                result=result or UNSET,
            ),
        )

    def status(self, view: JobStatusView) -> JobStatusResponse:
        """Present the status of a job."""
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
        """Present a job, its executions and its reruns; the latest execution has its cases."""
        shown = self.job(details.view)
        return JobDetailsResponse(
            **{name: getattr(shown, name) for name in JobResponse.__struct_fields__},
            spec=_specification(details.job.spec),
            executions=[
                self._execution(str(details.job.id), details.job.spec.code_key.value, execution)
                for execution in details.executions
            ],
            reruns=[str(job_id) for job_id in reruns] or UNSET,
            batch_id=UNSET if details.job.batch_id is None else str(details.job.batch_id),
        )

    def _execution(self, job_id: str, code_key: str, execution: Execution) -> ExecutionResponse:
        notes = notes_of(execution)
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
            notes=notes,
            result=self._result(job_id, code_key, execution, notes),
        )

    def _result(
        self, job_id: str, code_key: str, execution: Execution, notes: list[NoteResponse]
    ) -> ExecutionResult | None:
        result = execution.result
        if result is None:
            return None
        return ExecutionResult(
            job_id=job_id,
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
            error_text=sentence_of(result.error),
            completed_at=execution.ended_at,
            compile_output=None if result.compile_output is None else result.compile_output.text,
            notes=notes,
            artifacts=artifacts_of(job_id, result) or UNSET,
            **_sums(result.cases),
        )

    def _url(self, log_key: ObjectKey | None) -> str | None:
        return self._log_store.url(log_key) if self._links_logs and log_key is not None else None


def tagged(shown: Shown) -> Response[Shown]:
    """Return a response with a job and an entity tag, by which callers ask whether the job has changed.

    The tag is weak: it excludes the signed URL, which is different each time.
    """
    encoded = msgspec.json.encode(shown)
    tag = entity_tag(_SIGNED.sub(rb"\1", encoded), weak=True)
    # The framework sends bytes as they are, so the job is encoded once. The type is for the API document.
    return Response(cast("Shown", encoded), headers={"ETag": tag, "Cache-Control": "private, no-cache"})


def without_links(body: bytes) -> bytes:
    """Return a JSON response without its links to logs."""
    return _SIGNED.sub(lambda found: found[1] or b'"logs_url":null', body)


def without_secret(body: bytes) -> bytes:
    """Return a JSON response without the callback's secret, which is shown only once."""
    return _SECRET.sub(rb"\1", body)


def explain(
    state: State, reason: Reason | None, result: Result | None = None, *, is_deferred: bool = False
) -> Text:
    """Return a sentence about the state of a job, from the result of its latest execution."""
    if state is State.QUEUED and is_deferred:
        return text("job.explain_deferred")
    if result is not None and result.cases is not None and state is not State.CANCELLED:
        return text("job.cases_passed", passed=result.cases.passed, count=result.cases.total)
    if result is not None and result.exit_code is None:
        hidden = _WITHOUT_EXIT_CODE.get(reason or result.status)
        if hidden is not None:
            return hidden
    return text(f"job.explain_{reason or state}")


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


def artifacts_of(job_id: JobId | str, result: Result) -> list[ArtifactResponse]:
    """Present the files that a program wrote."""
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
    """Present the result of a case; for a hidden case, without its output."""
    shown = {name: getattr(result, name) for name in CaseResponse.__struct_fields__}
    if result.first_time_ms is None:
        shown |= {"first_processors": UNSET, "processors": UNSET}
    if result.hidden:
        shown |= {"stdout": None, "stderr": None, "diff": None, "checker_message": None}
    return CaseResponse(**shown)


def _resource(execution: Execution) -> Resource | None:
    """Present an execution's usage, with 0 for unknown figures; None before its end, or if nothing ran."""
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
    """Present the notes of an execution, and the figures of its usage that are unknown."""
    return [NoteResponse(code=note, detail=str(remark)) for note, remark in remarks_on(execution).items()]


def remarks_on(execution: Execution | None) -> Mapping[Note, Text]:
    """Return the notes of an execution as texts."""
    if execution is None:
        return {}
    usage = _usage(execution)
    unknown = [] if usage is None else _unknown(usage)
    remarks = {note: text(f"job.note_{note}") for note in execution.all_notes}
    if unknown:
        remarks.pop(Note.USAGE_UNKNOWN, None)
        remarks[Note.USAGE_UNKNOWN] = text("job.note_usage_figures_unknown", names=", ".join(unknown))
    return remarks


def reached_limit(execution: Execution | None) -> ReachedLimit | None:
    """Present the limit that ended an execution, if one did."""
    limit = None if execution is None or execution.result is None else execution.result.limit
    if limit is None:
        return None
    return ReachedLimit(name=limit.name, measured=limit.measured, allowed=limit.allowed)


def _text(key: ObjectKey | None) -> str | None:
    return None if key is None else key.value
