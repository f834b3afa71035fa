"""The output of programs, as a stream and as a whole."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, PathParameter, QueryParameter
from litestar.response import Stream as StreamResponse

from application.ports.output_feed import Stream
from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.errors import InvalidValue
from entrypoints.http.dependencies import Api
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.parameters import JobIdInPath, LastEventId, existing_job
from entrypoints.http.ranges import select_range
from entrypoints.http.streaming.server_sent_events import MEDIA_TYPE, STREAM_HEADERS
from entrypoints.http.streaming.spooled_body import SpooledBody

_DESCRIPTION = """
Server-sent events while the program runs; of one that has ended, what its result has inline, or all
of it from an `offset` on.

* `execution` — `{execution_id, number}`: an attempt begins; what was told of another is void.
* `output` — `{stream, offset, text}` or `{stream, offset, base64}`: bytes of `stdout` or `stderr`, from an
  offset on; base64 where they are not UTF-8. With `exact: false` the text stands for other or more bytes: the
  log has those.
* `end` — where the job stands at last, as `GET /api/jobs/{jobId}/status` has it. The stream ends with it.

To go on where a stream broke off, send the id of the last event as `Last-Event-ID`, or the `offset` that
comes next. The offsets are also those of `GET /api/jobs/{jobId}/output/{stream}`.
"""
_ARCHIVED = """
What the program wrote to `stdout` or `stderr`, byte for byte, once it has ended: all of it, or the part that
a `Range` header asks for (RFC 9110). The offsets are those of the events.
"""
_Offset = Annotated[
    int | None,
    QueryParameter(ge=0, description="Tell each stream from this byte on. A Last-Event-ID says it exactly."),
]
_StreamInPath = Annotated[str, PathParameter(description="`stdout` or `stderr`.")]
RangeHeader = Annotated[
    str | None, HeaderParameter(name="Range", description="One range of bytes, such as `bytes=0-99`.")
]
IfRange = Annotated[
    str | None, HeaderParameter(name="If-Range", description="The ETag that the range was meant for.")
]
_PARTIAL = 206
PART = ResponseSpec(
    bytes, generate_examples=False, description="The part that was asked for.", media_type="text/plain"
)
_PLAIN = "text/plain"  # the framework adds the charset


class OutputController(Controller):
    """Output of programs, as a stream and as a whole."""

    tags = ("Jobs",)

    @get(
        "/jobs/{jobId:str}/output",
        media_type=MEDIA_TYPE,
        **openapi_docs(
            "followOutput",
            "Follow a job's output",
            _DESCRIPTION,
            problems=(404,),
            headers=("X-Accel-Buffering",),
            scope=Scope.LOGS_READ,
        ),
    )
    async def follow(
        self,
        job_id: JobIdInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        last_event_id: LastEventId = None,
        offset: _Offset = None,
    ) -> StreamResponse:
        """Follow a job's output."""
        details = await asyncio.to_thread(api.services.job_reader.get, caller, existing_job(job_id))
        events = api.output_streams.follow(caller, details, api.presenter.to(caller), last_event_id, offset)
        return StreamResponse(events, media_type=MEDIA_TYPE, headers=STREAM_HEADERS)

    @get(
        "/jobs/{jobId:str}/output/{stream:str}",
        media_type=_PLAIN,
        **openapi_docs(
            "readOutput",
            "Read a job's output",
            _ARCHIVED,
            problems=(404, 409, 416),
            headers=("Accept-Ranges", "ETag"),
            answers={206: PART},
            scope=Scope.LOGS_READ,
        ),
    )
    async def read(
        self,
        job_id: JobIdInPath,
        stream: _StreamInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        range_header: RangeHeader = None,
        if_range: IfRange = None,
    ) -> Response[Any]:
        """Read a job's output."""
        wanted = caller, existing_job(job_id), _stream(stream)

        def take() -> Response[Any]:
            output = api.services.read_output(*wanted)
            tag = f'"{output.execution_id}-{stream}"'
            size = len(output.data)
            part = select_range(range_header if if_range in {None, tag} else None, size)
            if part is None:
                return _answer(SpooledBody(output.data, api.spool_space), tag, {})
            content_range = {"Content-Range": part.content_range(size)}
            kept = SpooledBody(output.data[part.begin : part.end], api.spool_space)
            return _answer(kept, tag, content_range, _PARTIAL)

        return await api.log_limiter.run(take)


def _stream(name: str) -> Stream:
    try:
        return Stream(name)
    except ValueError:
        raise InvalidValue("stream", text("problems.one_of", choices=", ".join(Stream))) from None


def _answer(kept: SpooledBody, tag: str, headers: Mapping[str, str], status_code: int = 200) -> Response[Any]:
    shared = {"Accept-Ranges": "bytes", "ETag": tag, "Cache-Control": "private, no-cache"}
    return kept.response(_PLAIN, {**shared, **headers}, status_code)
