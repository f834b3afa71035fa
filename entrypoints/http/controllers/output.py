"""The output of programs, as a stream and as a whole."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, PathParameter, QueryParameter
from litestar.response import Stream as StreamResponse

from application.output_lines import MAX_MATCHES, find_lines, index_lines
from application.ports.output_feed import Stream
from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.errors import InvalidValue
from entrypoints.http.dependencies import Api
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.parameters import JobIdInPath, LastEventId
from entrypoints.http.ranges import select_range
from entrypoints.http.schemas.output import ArrivalsResponse, LinesResponse, MatchesResponse
from entrypoints.http.streaming.server_sent_events import MEDIA_TYPE, STREAM_HEADERS
from entrypoints.http.streaming.spooled_body import SpooledBody

_DESCRIPTION = """
Server-sent events while the program runs. If it has ended: the output that its result has inline, or all of
it from an `offset` on.

* `execution` — `{execution_id, number}`: an attempt begins; discard the output of earlier ones.
* `output` — `{stream, offset, at?, text}` or `{stream, offset, at?, base64}`: bytes of `stdout` or `stderr`,
  from an offset on, and their arrival time; base64 if they are not UTF-8. With `exact: false` the text
  replaces other or more bytes, which are in the log.
* `usage` — `{execution_time_ms, cpu_time_ms, memory_mb, processes}`: its resource usage, about once a second
  while the program runs; null if the engine does not report it. It has no id.
* `end` — the final status, as returned by `GET /api/jobs/{jobId}/status`. The stream ends with it.

To resume an interrupted stream, send the id of the last event as `Last-Event-ID`, or the next `offset`.
Offsets are the same as in `GET /api/jobs/{jobId}/output/{stream}`.
"""
_ARCHIVED = """
The exact bytes that the program wrote to `stdout` or `stderr`, once it has ended: all of them, or the part
selected by a `Range` header (RFC 9110). Offsets are the same as in the events.
"""
_INDEXED = """
The number of newlines in each block of `block_bytes` of `stdout` or `stderr`, once the program has ended. It
shows which block contains a line; read the block with a `Range` of the output. `styles` has the style, such
as a colour, that escape sequences before each block have set.
"""
_SEARCHED = """
The numbers of the lines of `stdout` or `stderr` that contain a text, once the program has ended. Escape
sequences are ignored, and letters from A to Z match in either case. If there are more than `limit` lines,
`next_line` is the `from_line` of the next request.
"""
_SearchedText = Annotated[
    str,
    QueryParameter(
        min_length=1, max_length=500, pattern=r"^[^\n]+$(?!\n)", description="The text, without a newline."
    ),
]
_FromLine = Annotated[int, QueryParameter(ge=1, description="The first line to search.")]
_MatchLimit = Annotated[int, QueryParameter(ge=1, le=MAX_MATCHES, description="Maximum number of lines.")]
_Offset = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        description="The byte offset from which both streams are sent. A Last-Event-ID gives an "
        "offset for each stream.",
    ),
]
_StreamInPath = Annotated[str, PathParameter(description="`stdout` or `stderr`.")]
RangeHeader = Annotated[
    str | None, HeaderParameter(name="Range", description="One range of bytes, such as `bytes=0-99`.")
]
IfRange = Annotated[
    str | None, HeaderParameter(name="If-Range", description="The ETag to which the range applies.")
]
_PARTIAL = 206
PART = ResponseSpec(
    bytes, generate_examples=False, description="The requested range.", media_type="text/plain"
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
            problems=(404, 409),
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
        details = await asyncio.to_thread(
            lambda: api.services.job_reader.get(caller, api.job_id(caller, job_id))
        )
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
        wanted = _stream(stream)

        def take() -> Response[Any]:
            output = api.services.read_output(caller, api.job_id(caller, job_id), wanted)
            tag = f'"{output.execution_id}-{stream}"'
            size = output.content.size
            part = select_range(range_header if if_range in {None, tag} else None, size, tag)
            if part is None:
                return _answer(SpooledBody(output.content.read(0, size), api.spool_space), tag, {})
            content_range = {"Content-Range": part.content_range(size)}
            kept = SpooledBody(output.content.read(part.begin, part.end), api.spool_space)
            return _answer(kept, tag, content_range, _PARTIAL)

        return await api.log_limiter.run(take)

    @get(
        "/jobs/{jobId:str}/output/{stream:str}/lines",
        **openapi_docs(
            "indexOutput",
            "Find the lines of a job's output",
            _INDEXED,
            problems=(404, 409),
            scope=Scope.LOGS_READ,
        ),
    )
    async def index(
        self,
        job_id: JobIdInPath,
        stream: _StreamInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> LinesResponse:
        """Find where the lines of a job's output are."""
        wanted = _stream(stream)

        def count() -> LinesResponse:
            output = api.services.read_output(caller, api.job_id(caller, job_id), wanted)
            index, arrivals = index_lines(output.content), output.arrivals
            return LinesResponse(
                size=index.size,
                block_bytes=index.block_bytes,
                newlines=index.newlines,
                styles=index.styles,
                arrivals=None
                if arrivals is None
                else ArrivalsResponse(begin=arrivals.begin, marks=arrivals.of(wanted)),
            )

        return await api.log_limiter.run(count)

    @get(
        "/jobs/{jobId:str}/output/{stream:str}/matches",
        **openapi_docs(
            "searchOutput",
            "Search a job's output",
            _SEARCHED,
            problems=(404, 409),
            scope=Scope.LOGS_READ,
        ),
    )
    async def search(
        self,
        job_id: JobIdInPath,
        stream: _StreamInPath,
        text: _SearchedText,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        from_line: _FromLine = 1,
        limit: _MatchLimit = MAX_MATCHES,
    ) -> MatchesResponse:
        """Search a job's output."""
        wanted = _stream(stream)

        def find() -> MatchesResponse:
            found = find_lines(
                api.services.read_output(caller, api.job_id(caller, job_id), wanted).content,
                text,
                from_line,
                limit,
            )
            return MatchesResponse(lines=found.lines, next_line=found.next_line)

        return await api.log_limiter.run(find)


def _stream(name: str) -> Stream:
    try:
        return Stream(name)
    except ValueError:
        raise InvalidValue("stream", text("problems.one_of", choices=", ".join(Stream))) from None


def _answer(kept: SpooledBody, tag: str, headers: Mapping[str, str], status_code: int = 200) -> Response[Any]:
    shared = {"Accept-Ranges": "bytes", "ETag": tag, "Cache-Control": "private, no-cache"}
    return kept.response(_PLAIN, {**shared, **headers}, status_code)
