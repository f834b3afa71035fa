import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Self

from application.ports.output_feed import OutputFeed
from application.use_cases.get_job import GetJob
from application.views import JobDetails
from domain.execution import Execution
from domain.values import ExecutionId
from entrypoints.http.live.archive import Archive
from entrypoints.http.live.job_signals import JobSignals, Wakeup
from entrypoints.http.live.mailbox import Mailbox
from entrypoints.http.live.output_events import OutputTeller
from entrypoints.http.live.places import NoPlace
from entrypoints.http.live.reading import read_anew
from entrypoints.http.live.server_sent_events import HEARTBEAT, HEARTBEAT_S, event, in_turns
from entrypoints.http.presenter import Presenter, status_of

# Output and events may come by different ways: how long the last output may be later than the end.
_LAST_OUTPUT_S = 0.5


class OutputStreams:
    """Tells what programs write while they write it, and ends with how they ended.

    It goes by events, and by the database where those do not come. Who goes away is forgotten at once.
    """

    def __init__(
        self, signals: JobSignals, get_job: GetJob, output_feed: OutputFeed, archive: Archive
    ) -> None:
        self._signals = signals
        self._get_job = get_job
        self._output_feed = output_feed
        self._archive = archive

    def follow(
        self, details: JobDetails, presenter: Presenter, last_event_id: str | None, offset: int | None = None
    ) -> AsyncIterator[bytes]:
        """Return server-sent events about a job that stands as `details` say, or further by now.

        Raises:
            NoPlace: As many streams are open as may be.
        """
        self._signals.check_place()
        return in_turns(self._follow(details, presenter, OutputTeller(last_event_id, offset)))

    async def _follow(
        self, details: JobDetails, presenter: Presenter, teller: OutputTeller
    ) -> AsyncGenerator[bytes, None]:
        with self._signals.listen(details.job.id) as wakeup, _Followed(self._output_feed, wakeup) as followed:
            while True:
                if wakeup.changed:
                    details = await read_anew(self._get_job, details, wakeup)
                    yield await _turn_to_latest(details, teller, followed)
                for told in followed.news(teller):
                    yield told
                if details.job.status.is_terminal:
                    break
                if self._signals.is_closed:
                    return
                if not await wakeup.wait(HEARTBEAT_S):
                    yield HEARTBEAT
            async for last in _last_output(details, teller, followed, wakeup):
                yield last
            try:
                async for missed in self._missed(details, teller):
                    yield missed
            except NoPlace:
                return  # without the end, a reader comes back for the rest
            yield event("end", await asyncio.to_thread(presenter.status, status_of(details)))

    async def _missed(self, details: JobDetails, teller: OutputTeller) -> AsyncIterator[bytes]:
        execution = _latest(details)
        if execution is None or execution.result is None:
            return
        for stream, begin in teller.untold(execution.result):
            async for chunk in self._archive.rest(details.job.id, stream, begin):
                yield teller.tell([chunk])


class _Followed:
    """The execution whose output is followed: one at a time."""

    def __init__(self, output_feed: OutputFeed, wakeup: Wakeup) -> None:
        self._output_feed = output_feed
        self.mailbox = Mailbox(asyncio.get_running_loop(), wakeup)
        self._following: asyncio.Task[Callable[[], None]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.leave()

    @property
    def is_live(self) -> bool:
        """Whether output may still come."""
        return self._following is not None

    def news(self, teller: OutputTeller) -> Iterator[bytes]:
        """Tell all that has come; what the reader has already is passed over."""
        for chunks in iter(self.mailbox.take, []):
            if told := teller.tell(chunks):
                yield told

    async def turn_to(self, execution_id: ExecutionId) -> None:
        """Follow this execution, and no other."""
        self.leave()
        self.mailbox.clear()
        self._following = asyncio.create_task(
            asyncio.to_thread(self._output_feed.follow, execution_id, self.mailbox.put)
        )
        await asyncio.shield(self._following)

    def leave(self) -> None:
        """Follow nothing. Who is cancelled while the following begins leaves once it has begun."""
        if self._following is not None:
            self._following.add_done_callback(_unfollow)
            self._following = None


def _unfollow(following: asyncio.Task[Callable[[], None]]) -> None:
    if not following.cancelled() and following.exception() is None:
        following.get_loop().run_in_executor(None, following.result())


async def _turn_to_latest(details: JobDetails, teller: OutputTeller, followed: _Followed) -> bytes:
    execution = _latest(details)
    if execution is None or execution.id == teller.execution_id:
        return b""
    turned = teller.turn_to(execution)
    if not details.job.status.is_terminal:
        await followed.turn_to(execution.id)
    return turned


async def _last_output(
    details: JobDetails, teller: OutputTeller, followed: _Followed, wakeup: Wakeup
) -> AsyncIterator[bytes]:
    """Wait a moment for output that is on its way; the result fills in what did not come."""
    execution = _latest(details)
    if execution is None or execution.result is None:
        return
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _LAST_OUTPUT_S
    while followed.is_live and not teller.has_told(execution.result) and loop.time() < deadline:
        await wakeup.wait(deadline - loop.time())
        for told in followed.news(teller):
            yield told
    yield teller.tell_rest(execution.result)


def _latest(details: JobDetails) -> Execution | None:
    return details.executions[-1] if details.executions else None
