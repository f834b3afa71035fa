import asyncio
from typing import Annotated

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, SkipValidation
from litestar.response import Stream

from application.use_cases.get_job import GetJob
from domain.values import parse_job_id
from entrypoints.http.live.output_stream import OutputStreams
from entrypoints.http.live.server_sent_events import MEDIA_TYPE
from entrypoints.http.operations import described
from entrypoints.http.parameters import JobIdInPath
from entrypoints.http.presenter import Presenter

_DESCRIPTION = """
Server-sent events while the program runs; of one that has ended, what its result has inline.

* `execution` — `{execution_id, number}`: an attempt begins; what was told of another is void.
* `output` — `{stream, offset, text}` or `{stream, offset, base64}`: bytes of `stdout` or `stderr`, from an
  offset on; base64 where they are not UTF-8. With `exact: false` the text stands for other or more bytes: the
  log has those.
* `end` — where the job stands at last, as `GET /api/jobs/{jobId}/status` has it. The stream ends with it.

To go on where a stream broke off, send the id of the last event as `Last-Event-ID`.
"""
# Proxies must pass events on as they come.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class OutputController(Controller):
    """Following what a program writes."""

    tags = ("Jobs",)

    @get(
        "/jobs/{jobId:str}/output",
        media_type=MEDIA_TYPE,
        **described("Follow a job's output", _DESCRIPTION, problems=(404, 422, 503)),
    )
    async def follow(
        self,
        job_id: JobIdInPath,
        get_job: NamedDependency[SkipValidation[GetJob]],
        streams: NamedDependency[SkipValidation[OutputStreams]],
        presenter: NamedDependency[SkipValidation[Presenter]],
        last_event_id: Annotated[
            str | None,
            HeaderParameter(name="Last-Event-ID", description="The id of the last event that was seen."),
        ] = None,
    ) -> Stream:
        """Follow a job's output."""
        details = await asyncio.to_thread(get_job, parse_job_id(job_id))
        events = streams.follow(details, presenter, last_event_id)
        return Stream(events, media_type=MEDIA_TYPE, headers=_HEADERS)
