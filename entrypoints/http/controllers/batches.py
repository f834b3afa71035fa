"""Batches of jobs."""

import asyncio
from typing import Annotated

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, PathParameter, QueryParameter

from application.file_spool import FileSpool
from application.queries.batch_reader import DEFAULT_BATCHES, MAX_BATCHES
from domain.caller import Caller, Scope
from entrypoints.http.cut_waits import WAIT_HEADER
from entrypoints.http.dependencies import Api
from entrypoints.http.jobs_of_batch import UNPACKED_RATIO, commands_of
from entrypoints.http.json_request import MAX_VALUES, JsonRequest
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.parameters import (
    CursorText,
    Wait,
    existing_batch,
    next_page,
    read_cursor,
)
from entrypoints.http.presenter import present_batch
from entrypoints.http.schemas.batches import BatchResponse
from entrypoints.http.schemas.requests import BatchRequest

_BatchIdInPath = Annotated[str, PathParameter(name="batchId", description="A batch's id, a UUID.")]
_BatchLimit = Annotated[
    int,
    QueryParameter(
        description="Maximum number of batches.", schema_extra={"minimum": 0, "maximum": MAX_BATCHES}
    ),
]
_BatchBody = Annotated[
    BatchRequest,
    BodyKwarg(
        examples=[
            Example(
                summary="Run a program with two inputs",
                value={
                    "jobs": [
                        {"project": "hello", "code": "print(input())", "language": "python", "stdin": text}
                        for text in ("one\n", "two\n")
                    ]
                },
            )
        ]
    ),
]
# Strings, brackets and commas of a body: enough for a thousand jobs with all usual fields of an upload.
_MAX_VALUES = 500_000


class BatchesController(Controller):
    """Submitting, reading and cancelling batches."""

    tags = ("Batches",)

    @post(
        "/batches",
        status_code=200,
        opt={MAX_VALUES: _MAX_VALUES},
        **openapi_docs(
            "submitBatch",
            "Submit a batch",
            "Creates many jobs and executes them, except those with `execute: false`. Either all are "
            "accepted or none is; every error of every job is in `errors`, with its `index`.",
            problems=(404, 409),
            scope=Scope.JOBS_WRITE,
        ),
    )
    async def submit(
        self, data: _BatchBody, caller: NamedDependency[Caller], api: NamedDependency[Api]
    ) -> BatchResponse:
        """Submit a batch."""

        def submit() -> BatchResponse:
            with FileSpool(UNPACKED_RATIO * api.settings.max_batch_bytes) as spool:
                commands = commands_of(data, api.settings.file_limits, spool)
                return present_batch(api.services.submit_batch(caller, commands, data.callback()))

        return await api.bulk_threads.run(submit)

    @get(
        "/batches",
        sync_to_thread=True,
        **openapi_docs(
            "listBatches",
            "List batches",
            "Newest first, in pages: the `Link` header has the next page.",
            headers=("Link",),
            scope=Scope.JOBS_READ,
        ),
    )
    def list_all(
        self,
        request: JsonRequest,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        limit: _BatchLimit = DEFAULT_BATCHES,
        cursor: CursorText = None,
    ) -> Response[list[BatchResponse]]:
        """List batches."""
        page = api.services.batch_reader.page(caller, limit, None if cursor is None else read_cursor(cursor))
        return Response(
            [present_batch(view) for view in page.batches],
            headers=next_page(request, page.next),
        )

    @get(
        "/batches/{batchId:str}",
        **openapi_docs(
            "getBatch",
            "Get a batch",
            "With `wait`, the response is sent when the last of its jobs has ended.",
            headers=(WAIT_HEADER,),
            problems=(404,),
            scope=Scope.JOBS_READ,
        ),
    )
    async def get(
        self,
        request: JsonRequest,
        batch_id: _BatchIdInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        wait: Wait = 0,
    ) -> BatchResponse:
        """Get a batch."""
        found = existing_batch(batch_id)
        return present_batch(await api.waiter(request, caller).until_batch_ended(found, wait))

    @post(
        "/batches/{batchId:str}/cancel",
        status_code=200,
        **openapi_docs(
            "cancelBatch",
            "Cancel a batch",
            "Cancels the jobs that have not ended and stops their programs. A batch that has ended is left "
            "unchanged.",
            problems=(404,),
            scope=Scope.JOBS_WRITE,
        ),
    )
    async def cancel(
        self, batch_id: _BatchIdInPath, caller: NamedDependency[Caller], api: NamedDependency[Api]
    ) -> BatchResponse:
        """Cancel a batch."""
        return present_batch(
            await asyncio.to_thread(api.services.cancel_batch, caller, existing_batch(batch_id))
        )
