"""The timeline of a job, and the stream of its events."""

import asyncio

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.response import Stream

from domain.caller import Caller, Scope
from entrypoints.http.dependencies import Api
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.parameters import JobIdInPath, LastEventId
from entrypoints.http.schemas.timeline import TimelineResponse
from entrypoints.http.streaming.server_sent_events import MEDIA_TYPE, STREAM_HEADERS
from entrypoints.http.timeline_presenter import present_timeline

_EVENTS = """
Server-sent events: all past steps of the job, then new ones, in order.

* `state` — a step, as in the `entries` of `GET /api/jobs/{jobId}/timeline`.
* `end` — the final status, as returned by `GET /api/jobs/{jobId}/status`. The stream ends with it.

To resume an interrupted stream, send the id of the last event as `Last-Event-ID`.
"""


class TimelineController(Controller):
    """The timeline of a job, and its events as a stream."""

    tags = ("Jobs",)

    @get(
        "/jobs/{jobId:str}/timeline",
        sync_to_thread=True,
        **openapi_docs(
            "getTimeline",
            "Get a job's timeline",
            "Every step with its time and cause; the limits in force and the one that was reached; what the "
            "job is waiting for, and its position in the queue.",
            problems=(404, 409),
            scope=Scope.JOBS_READ,
        ),
    )
    def timeline(
        self, job_id: JobIdInPath, caller: NamedDependency[Caller], api: NamedDependency[Api]
    ) -> TimelineResponse:
        """Get a job's timeline."""
        return present_timeline(api.services.job_reader.timeline(caller, api.job_id(caller, job_id)))

    @get(
        "/jobs/{jobId:str}/events",
        media_type=MEDIA_TYPE,
        **openapi_docs(
            "followEvents",
            "Follow a job's state",
            _EVENTS,
            problems=(404, 409),
            headers=("X-Accel-Buffering",),
            scope=Scope.JOBS_READ,
        ),
    )
    async def events(
        self,
        job_id: JobIdInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        last_event_id: LastEventId = None,
    ) -> Stream:
        """Follow a job's state."""
        details = await asyncio.to_thread(
            lambda: api.services.job_reader.get(caller, api.job_id(caller, job_id))
        )
        events = api.event_streams.follow(caller, details, api.presenter.to(caller), last_event_id)
        return Stream(events, media_type=MEDIA_TYPE, headers=STREAM_HEADERS)
