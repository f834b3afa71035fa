"""Upload, execution, cancellation and status of jobs."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, QueryParameter

from application.file_spool import FileSpool
from application.use_cases.run_again import UNCHANGED
from application.views import JobView
from domain.caller import Caller, Scope
from domain.job_lifecycle import JobStatus
from entrypoints.http.cut_waits import WAIT_HEADER
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import (
    IGNORED_FIELDS_HEADER,
    MAX_VALUES,
    MULTIPART,
    JsonRequest,
    ignored_fields_header,
)
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.parameters import JobIdInPath, Wait, only_one
from entrypoints.http.presenter import Presenter, tagged
from entrypoints.http.schemas.jobs import JobResponse, JobStatusResponse
from entrypoints.http.schemas.requests import ExecuteRequest, RerunRequest, UploadRequest
from entrypoints.http.upload_command import upload_command

_UploadBody = Annotated[
    UploadRequest,
    BodyKwarg(
        examples=[
            Example(
                summary="Keep a program",
                value={"project": "hello", "code": "print('hello, ' + input())", "language": "python"},
            ),
            Example(
                summary="Keep a program and run it at once",
                value={
                    "project": "hello",
                    "code": "console.log(require('fs').readFileSync(0, 'utf8').length)",
                    "language": "node",
                    "stdin": "world\n",
                    "timeout_ms": 5000,
                    "memory_mb": 128,
                    "tags": {"team": "blue"},
                    "execute": True,
                },
            ),
        ]
    ),
]
_ExecuteBody = Annotated[
    ExecuteRequest | None, BodyKwarg(examples=[Example(summary="Give it input", value={"stdin": "world\n"})])
]
_RerunBody = Annotated[
    RerunRequest | None,
    BodyKwarg(examples=[Example(summary="Give it other input", value={"stdin": "you\n"})]),
]
_InputData = Annotated[
    str | None,
    QueryParameter(description="The program's input: either here or as `stdin` in the body."),
]


# Messages for jobs that were just uploaded or started. A job that has ended needs none.
_MESSAGES: Mapping[JobStatus, str] = {
    JobStatus.PENDING: "Code uploaded successfully",
    JobStatus.RUNNING: "Execution started",
}
_CANCELLED = "Job cancelled successfully"
# Ten thousand cases have at most 23 values each.
_MAX_VALUES = 250_000


def _status_id(_handler: HTTPRouteHandler, _method: object, path: Sequence[object]) -> str:
    """Return the operation's id for each of its two paths."""
    return "getJobStatus" if "jobs" in path else "getStatus"


class ExecutionsController(Controller):
    """Upload, execution, cancellation and status of jobs."""

    tags = ("Running",)

    @post(
        "/upload",
        status_code=200,
        opt={MULTIPART: True, MAX_VALUES: _MAX_VALUES, "names": {"archive": ""}},
        **openapi_docs(
            "uploadCode",
            "Upload code",
            "Stores source code as a job of a project. With `execute`, the job is executed immediately; "
            "with `wait` too, the response is sent when it has ended. Files besides the code are sent in "
            "`files`, in an archive, or as parts of a multipart body.",
            headers=(IGNORED_FIELDS_HEADER, WAIT_HEADER),
            problems=(404, 409),
            scope=Scope.JOBS_WRITE,
        ),
    )
    async def upload(
        self,
        request: JsonRequest,
        data: _UploadBody,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        wait: Wait = 0,
    ) -> Response[JobResponse]:
        """Upload code, and execute it on request."""
        show = partial(_show, api.presenter.to(caller))

        def upload() -> tuple[JobView, JobResponse]:
            form = request.form_of_upload
            with FileSpool() if form is None else form.spool as spool:
                command = upload_command(data, form, api.settings.file_limits, spool)
                job = api.services.upload_code(caller, command)
            return job, show(job)

        job, uploaded = await api.storage_threads.run(upload)
        answer = await api.waiter(request, caller).settled(job, wait, show) or uploaded
        if job.callback_secret is not None:
            answer.callback_secret = job.callback_secret.value
        return Response(answer, headers=ignored_fields_header(request.ignored_fields))

    @post(
        "/execute/{jobId:str}",
        status_code=200,
        opt={"names": {"stdin": "input_data"}},
        **openapi_docs(
            "executeJob",
            "Execute a job",
            "Queues a PENDING job and responds immediately or, with `wait`, when it has ended.",
            headers=(WAIT_HEADER,),
            problems=(404, 409),
            scope=Scope.JOBS_WRITE,
        ),
    )
    async def execute(
        self,
        request: JsonRequest,
        job_id: JobIdInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        data: _ExecuteBody = None,
        input_data: _InputData = None,
        wait: Wait = 0,
    ) -> JobResponse:
        """Execute a job."""
        stdin = only_one("stdin", input_data, None if data is None else data.stdin)
        show = partial(_show, api.presenter.to(caller))

        def execute() -> tuple[JobView, JobResponse]:
            job = api.services.execute_job(caller, api.job_id(caller, job_id), stdin)
            return job, show(job)

        job, started = await asyncio.to_thread(execute)
        return await api.waiter(request, caller).settled(job, wait, show) or started

    @post(
        "/jobs/{jobId:str}/rerun",
        status_code=200,
        **openapi_docs(
            "rerunJob",
            "Run a job again",
            "Creates a new job with the same code and options, except for the fields in the body, and "
            "executes it. The original job may be deleted afterwards. With `wait`, the response is sent "
            "when the new job has ended.",
            headers=(WAIT_HEADER,),
            problems=(404, 409),
            scope=Scope.JOBS_WRITE,
        ),
    )
    async def rerun(
        self,
        request: JsonRequest,
        job_id: JobIdInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        data: _RerunBody = None,
        wait: Wait = 0,
    ) -> JobResponse:
        """Run a job again."""
        show = partial(_show, api.presenter.to(caller))
        changes = UNCHANGED if data is None else data.changes()

        def rerun() -> tuple[JobView, JobResponse]:
            job = api.services.run_again(caller, api.job_id(caller, job_id), changes)
            return job, show(job)

        job, started = await api.storage_threads.run(rerun)
        return await api.waiter(request, caller).settled(job, wait, show) or started

    @post(
        "/cancel/{jobId:str}",
        status_code=200,
        sync_to_thread=True,
        **openapi_docs(
            "cancelJob",
            "Cancel a job",
            "Cancels a job that has not ended, and stops its program if it is running.",
            problems=(404, 409),
            scope=Scope.JOBS_WRITE,
        ),
    )
    def cancel(
        self,
        job_id: JobIdInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> JobResponse:
        """Cancel a job."""
        cancelled = api.services.cancel_job(caller, api.job_id(caller, job_id))
        return api.presenter.to(caller).job(cancelled, _CANCELLED)

    @get(
        ["/jobs/{jobId:str}/status", "/status/{jobId:str}"],
        **openapi_docs(
            _status_id,
            "Get a job's status",
            "With `wait`, answers when the job has ended.",
            problems=(404, 409),
            headers=("ETag", WAIT_HEADER),
            scope=Scope.JOBS_READ,
        ),
    )
    async def status(
        self,
        request: JsonRequest,
        job_id: JobIdInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        wait: Wait = 0,
    ) -> Response[JobStatusResponse]:
        """Get a job's status."""
        show = api.presenter.to(caller).status
        return tagged(await api.waiter(request, caller).until_ended(job_id, wait, show))


def _show(presenter: Presenter, job: JobView) -> JobResponse:
    """Present a job that was just uploaded or started, and may have ended since."""
    return presenter.job(job, _MESSAGES.get(job.status))
