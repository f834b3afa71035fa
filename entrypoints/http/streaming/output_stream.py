"""The stream of a job's output: live, then from its log."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from application.errors import ApplicationError
from application.ports.output_feed import OutputChunk, OutputFeed, Stream
from application.queries.job_reader import JobReader
from application.use_cases.read_output import ReadOutput
from application.views import JobDetails
from domain.caller import Caller
from domain.values import JobId
from entrypoints.http.concurrency import Overloaded, SharedBudget, StorageLimiter
from entrypoints.http.presenter import Presenter
from entrypoints.http.streaming.job_notifier import JobNotifier, Subscription, read_anew, until_deleted
from entrypoints.http.streaming.live_output import LiveOutputs, Reader
from entrypoints.http.streaming.output_events import LiveChunk, OutputEventEncoder
from entrypoints.http.streaming.server_sent_events import HEARTBEAT, HEARTBEAT_S, chunked, event
from entrypoints.http.streaming.spooled_body import SpooledBody

# Output and events may travel by different routes: how much later than the end output may arrive.
_LAST_OUTPUT_S = 0.5


class Archive:
    """Reads the rest of a job's output from its log."""

    def __init__(
        self, read_output: ReadOutput, log_limiter: StorageLimiter, spool_space: SharedBudget
    ) -> None:
        self._read_output = read_output
        self._log_limiter = log_limiter
        self._spool_space = spool_space

    async def rest(
        self, caller: Caller, job_id: JobId, stream: Stream, begin: int
    ) -> AsyncIterator[OutputChunk]:
        """Yield the output from an offset on; nothing while the log is unavailable.

        Raises:
            Overloaded: Too many logs are being read.
        """

        def read() -> SpooledBody:
            content = self._read_output(caller, job_id, stream).content
            return SpooledBody(content.read(begin, content.size), self._spool_space)

        try:
            rest = await self._log_limiter.run(read)
        except (ApplicationError, OSError):
            return
        offset = begin
        async for piece in rest.pieces():
            yield OutputChunk(stream, offset, piece)
            offset += len(piece)


class OutputStreams:
    """Streams the output of running programs, then the status of the job.

    It follows events, and reads the database in case events are lost. A stream ends when its client leaves.
    """

    def __init__(
        self, notifier: JobNotifier, job_reader: JobReader, output_feed: OutputFeed, archive: Archive
    ) -> None:
        self._notifier = notifier
        self._job_reader = job_reader
        self._live_outputs = LiveOutputs(output_feed)
        self._archive = archive

    def follow(
        self,
        caller: Caller,
        details: JobDetails,
        presenter: Presenter,
        last_event_id: str | None,
        offset: int | None = None,
    ) -> AsyncIterator[bytes]:
        """Return server-sent events about a job, whose `details` may be out of date.

        Raises:
            Overloaded: Too many streams are open.
            QuotaExceeded: Too many streams of the caller's tenant are open.
        """
        self._notifier.check(caller)
        encoder = OutputEventEncoder(last_event_id, offset)
        return chunked(until_deleted(self._follow(caller, details, presenter, encoder)))

    async def _follow(
        self, caller: Caller, details: JobDetails, presenter: Presenter, encoder: OutputEventEncoder
    ) -> AsyncGenerator[bytes, None]:
        with (
            self._notifier.listen(caller, details.job.id) as subscription,
            Reader(self._live_outputs, subscription) as reader,
        ):
            while True:
                if subscription.changed:
                    details = await read_anew(self._job_reader, caller, details, subscription)
                    yield await _turn_to_latest(details, encoder, reader)
                for encoded in reader.news(encoder):
                    yield encoded
                if details.job.status.is_terminal:
                    break
                if self._notifier.is_closed or subscription.is_refused:
                    return
                if not await subscription.wait(HEARTBEAT_S):
                    yield HEARTBEAT
            async for last in _last_output(details, encoder, reader, subscription):
                yield last
            try:
                async for missed in self._missed(caller, details, encoder):
                    yield missed
            except Overloaded:
                return  # without an end event, the reader reconnects for the rest
            yield event("end", await asyncio.to_thread(presenter.status, details.status))

    async def _missed(
        self, caller: Caller, details: JobDetails, encoder: OutputEventEncoder
    ) -> AsyncIterator[bytes]:
        execution = details.latest
        if execution is None or execution.result is None:
            return
        for stream, begin in encoder.missing(execution.result):
            async for chunk in self._archive.rest(caller, details.job.id, stream, begin):
                yield encoder.encode([LiveChunk(chunk)])


async def _turn_to_latest(details: JobDetails, encoder: OutputEventEncoder, reader: Reader) -> bytes:
    execution = details.latest
    if execution is None or execution.id == encoder.execution_id:
        return b""
    begun = encoder.begin(execution)
    if details.job.status.is_terminal:
        reader.forget()  # output of an earlier execution
    else:
        await reader.turn_to(execution.id)
    return begun


async def _last_output(
    details: JobDetails, encoder: OutputEventEncoder, reader: Reader, subscription: Subscription
) -> AsyncIterator[bytes]:
    """Wait briefly for late output, then complete the output from the result."""
    execution = details.latest
    if execution is None or execution.result is None:
        return
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _LAST_OUTPUT_S
    while reader.is_live and not encoder.is_complete(execution.result) and loop.time() < deadline:
        await subscription.wait(deadline - loop.time())
        for encoded in reader.news(encoder):
            yield encoded
    yield encoder.encode_rest(execution.result)
