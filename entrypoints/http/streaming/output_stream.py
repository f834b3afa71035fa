"""The stream of a job's output, live and then from its log."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import suppress
from threading import Lock
from typing import Self

from adapters.common.bounded_buffer import BoundedBuffer
from application.errors import ApplicationError
from application.ports.output_feed import OutputChunk, OutputFeed, Stream, UsageSample
from application.queries.job_reader import JobReader
from application.use_cases.read_output import ReadOutput
from application.views import JobDetails
from domain.caller import Caller
from domain.values import ExecutionId, JobId
from entrypoints.http.concurrency import Overloaded, SharedBudget, StorageLimiter
from entrypoints.http.presenter import Presenter
from entrypoints.http.streaming.job_notifier import JobNotifier, Subscription, read_anew, until_deleted
from entrypoints.http.streaming.output_events import OutputEventEncoder
from entrypoints.http.streaming.server_sent_events import HEARTBEAT, HEARTBEAT_S, chunked, event
from entrypoints.http.streaming.spooled_body import SpooledBody

# Output and events may come by different ways: how long the last output may be later than the end.
_LAST_OUTPUT_S = 0.5
_BUFFER_MAX_BYTES = 2 << 20
# What is taken at once is encoded at once, which holds up everybody else.
_TAKEN_BYTES = 64 << 10


class Archive:
    """Reads the rest of an output from its log."""

    def __init__(
        self, read_output: ReadOutput, log_limiter: StorageLimiter, spool_space: SharedBudget
    ) -> None:
        self._read_output = read_output
        self._log_limiter = log_limiter
        self._spool_space = spool_space

    async def rest(
        self, caller: Caller, job_id: JobId, stream: Stream, begin: int
    ) -> AsyncIterator[OutputChunk]:
        """Yield the output from an offset on; nothing while the log is out of reach.

        Raises:
            Overloaded: Other logs are being read.
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
    """Streams the output of running programs, and at last the status of the job.

    It follows events, and the database where events are lost. A client that leaves ends its stream at once.
    """

    def __init__(
        self, notifier: JobNotifier, job_reader: JobReader, output_feed: OutputFeed, archive: Archive
    ) -> None:
        self._notifier = notifier
        self._job_reader = job_reader
        self._output_feed = output_feed
        self._archive = archive

    def follow(
        self,
        caller: Caller,
        details: JobDetails,
        presenter: Presenter,
        last_event_id: str | None,
        offset: int | None = None,
    ) -> AsyncIterator[bytes]:
        """Return server-sent events about a job, of which `details` may be out of date.

        Raises:
            Overloaded: Too many streams are open.
            QuotaExceeded: Too many of the caller's tenant are.
        """
        self._notifier.check(caller)
        encoder = OutputEventEncoder(last_event_id, offset)
        return chunked(until_deleted(self._follow(caller, details, presenter, encoder)))

    async def _follow(
        self, caller: Caller, details: JobDetails, presenter: Presenter, encoder: OutputEventEncoder
    ) -> AsyncGenerator[bytes, None]:
        with (
            self._notifier.listen(caller, details.job.id) as subscription,
            _Followed(self._output_feed, subscription) as followed,
        ):
            while True:
                if subscription.changed:
                    details = await read_anew(self._job_reader, caller, details, subscription)
                    yield await _turn_to_latest(details, encoder, followed)
                for encoded in followed.news(encoder):
                    yield encoded
                if details.job.status.is_terminal:
                    break
                if self._notifier.is_closed or subscription.is_refused:
                    return
                if not await subscription.wait(HEARTBEAT_S):
                    yield HEARTBEAT
            async for last in _last_output(details, encoder, followed, subscription):
                yield last
            try:
                async for missed in self._missed(caller, details, encoder):
                    yield missed
            except Overloaded:
                return  # without the end, a reader comes back for the rest
            yield event("end", await asyncio.to_thread(presenter.status, details.status))

    async def _missed(
        self, caller: Caller, details: JobDetails, encoder: OutputEventEncoder
    ) -> AsyncIterator[bytes]:
        execution = details.latest
        if execution is None or execution.result is None:
            return
        for stream, begin in encoder.missing(execution.result):
            async for chunk in self._archive.rest(caller, details.job.id, stream, begin):
                yield encoder.encode([chunk])


class ChunkBuffer:
    """Bounded buffer of output chunks, from the feed's thread to one reader on the event loop.

    Chunks that arrive while it is full are dropped; the gap shows in the offsets.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, subscription: Subscription) -> None:
        self._loop = loop
        self._subscription = subscription
        self._lock = Lock()
        self._chunks: BoundedBuffer[OutputChunk | UsageSample] = BoundedBuffer(_BUFFER_MAX_BYTES)

    @property
    def weight(self) -> int:
        """The memory that its chunks take, in bytes, roughly."""
        return self._chunks.weight

    def put(self, item: OutputChunk | UsageSample) -> None:
        """Take a chunk or a usage, on any thread."""
        size = len(item.data) if isinstance(item, OutputChunk) else 0
        with self._lock:
            if not self._chunks.has_room(size):
                return
            is_first = not self._chunks
            self._chunks.append(item, size)
        if is_first:
            with suppress(RuntimeError):  # the loop has ended, and with it the reader
                self._loop.call_soon_threadsafe(self._subscription.woken.set)

    def take(self) -> list[OutputChunk | UsageSample]:
        """Return the next chunks: a small number at once, and none if there are no more."""
        with self._lock:
            return self._chunks.take(_TAKEN_BYTES)

    def clear(self) -> None:
        """Remove all chunks."""
        with self._lock:
            self._chunks.clear()


class _Followed:
    """The execution whose output is followed: one at a time."""

    def __init__(self, output_feed: OutputFeed, subscription: Subscription) -> None:
        self._output_feed = output_feed
        self.buffer = ChunkBuffer(asyncio.get_running_loop(), subscription)
        self._following: asyncio.Task[Callable[[], None]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.leave()

    @property
    def is_live(self) -> bool:
        """Whether output may still come."""
        return self._following is not None

    def news(self, encoder: OutputEventEncoder) -> Iterator[bytes]:
        """Yield the encoded new output."""
        for chunks in iter(self.buffer.take, []):
            if encoded := encoder.encode(chunks):
                yield encoded

    async def turn_to(self, execution_id: ExecutionId) -> None:
        """Follow this execution, and no other."""
        self.leave()
        self.buffer.clear()
        self._following = asyncio.create_task(
            asyncio.to_thread(self._output_feed.follow, execution_id, self.buffer.put)
        )
        await asyncio.shield(self._following)

    def leave(self) -> None:
        """Follow nothing. A subscription that is still being made ends once it is there."""
        if self._following is not None:
            self._following.add_done_callback(_unfollow)
            self._following = None


def _unfollow(following: asyncio.Task[Callable[[], None]]) -> None:
    if not following.cancelled() and following.exception() is None:
        following.get_loop().run_in_executor(None, following.result())


async def _turn_to_latest(details: JobDetails, encoder: OutputEventEncoder, followed: _Followed) -> bytes:
    execution = details.latest
    if execution is None or execution.id == encoder.execution_id:
        return b""
    begun = encoder.begin(execution)
    if not details.job.status.is_terminal:
        await followed.turn_to(execution.id)
    return begun


async def _last_output(
    details: JobDetails, encoder: OutputEventEncoder, followed: _Followed, subscription: Subscription
) -> AsyncIterator[bytes]:
    """Wait a moment for late output, and complete it from the result."""
    execution = details.latest
    if execution is None or execution.result is None:
        return
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _LAST_OUTPUT_S
    while followed.is_live and not encoder.is_complete(execution.result) and loop.time() < deadline:
        await subscription.wait(deadline - loop.time())
        for encoded in followed.news(encoder):
            yield encoded
    yield encoder.encode_rest(execution.result)
