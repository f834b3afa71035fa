import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from application.messages import Message
from application.ports.event_feed import EventFeed
from domain.values import JobId


@dataclass(slots=True, eq=False)
class Wakeup:
    """What wakes a handler that waits for a job.

    Attributes:
        woken: Set whenever there is something to do.
        changed: Whether the job may have changed since its listener last cleared this.
    """

    woken: asyncio.Event = field(default_factory=asyncio.Event)
    changed: bool = True

    async def wait(self, seconds: float) -> bool:
        """Sleep until woken; if nobody does for so long, return False: the job may have changed unheard."""
        try:
            async with asyncio.timeout(seconds):
                await self.woken.wait()
        except TimeoutError:
            self.changed = True
        was_woken = self.woken.is_set()
        self.woken.clear()
        return was_woken


class JobSignals:
    """Wakes those who wait for jobs when something happens to them, from one subscription for all."""

    def __init__(self, event_feed: Callable[[], EventFeed]) -> None:
        self._event_feed = event_feed
        self._wakeups: dict[str, list[Wakeup]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self.is_closed = False

    async def start(self) -> None:
        """Begin to listen to what happens."""
        self._loop = asyncio.get_running_loop()
        self._unsubscribe = await asyncio.to_thread(self._event_feed().subscribe, self._hear)

    async def stop(self) -> None:
        """Send everybody home, and end listening."""
        self.close()
        await asyncio.to_thread(self._unsubscribe)

    def close(self) -> None:
        """Send everybody home: who waits answers with what there is, and streams end."""
        self.is_closed = True
        for job_id in tuple(self._wakeups):
            self._wake(job_id)

    @contextmanager
    def listen(self, job_id: JobId) -> Iterator[Wakeup]:
        """Be woken by what happens to a job, for as long as the context lasts."""
        wakeup = Wakeup()
        listeners = self._wakeups.setdefault(str(job_id), [])
        listeners.append(wakeup)
        try:
            yield wakeup
        finally:
            listeners.remove(wakeup)
            if not listeners:
                del self._wakeups[str(job_id)]

    def _hear(self, message: Message) -> None:
        """Note, on the feed's thread, what happened; most of it concerns nobody who waits."""
        job_id = message.body.get("job_id")
        if job_id in self._wakeups and self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended, and with it all who waited
                self._loop.call_soon_threadsafe(self._wake, job_id)

    def _wake(self, job_id: str) -> None:
        for wakeup in self._wakeups.get(job_id, ()):
            wakeup.changed = True
            wakeup.woken.set()
