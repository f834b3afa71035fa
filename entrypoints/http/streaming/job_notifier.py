"""Wake-ups for the handlers that wait for changes of jobs."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock
from uuid import UUID

from application.errors import DependencyUnavailable, NotAuthenticated, NotFound, QuotaExceeded
from application.log_context import outage_of
from application.messages import Message
from application.ports.event_feed import EventFeed
from application.queries.job_reader import JobReader
from application.views import JobDetails, JobVersion
from domain.caller import Caller
from domain.tenant import TenantName
from domain.values import BatchId, JobId
from entrypoints.http.concurrency import SharedBudget
from entrypoints.http.request_context import reauthenticate

logger = logging.getLogger("service_server.http")

# Events may be lost, so one query at this interval looks for changes on behalf of all waiting handlers.
_RECHECK_S = 1.0
_RETRY_AFTER_S = 5
# How often waiting callers are authenticated again, and how many of them concurrently.
_REAUTHENTICATE_S = 1.0
_REAUTHENTICATED_AT_ONCE = 8
_ENDS = frozenset({"JobCompleted", "JobCancelled", "BatchCompleted"})
# Far more jobs than end between the start of a job and its caller's subscription to it.
_ENDED_KEPT = 4_096
ReadVersions = Callable[[Collection[JobId]], Mapping[JobId, JobVersion]]


@dataclass(slots=True, eq=False)
class Subscription:
    """One waiting handler's subscription to the changes of a job.

    Attributes:
        is_for_end: Whether only the end of the job or the batch wakes the handler.
        woken: Set on a wake-up.
        changed: Whether the job may have changed since the handler last cleared this flag.
        seen: The version of the job that the handler has read or was woken for.
        reauthenticate: Authenticates the caller again, or raises NotAuthenticated; None if no key is needed.
        is_refused: Whether the caller has lost its access, so the handler must end.
    """

    is_for_end: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    changed: bool = True
    seen: JobVersion | None = None
    reauthenticate: Callable[[], Awaitable[object]] | None = None
    is_refused: bool = False
    _due: float = 0.0
    _timer: asyncio.TimerHandle | None = None
    _has_timed_out: bool = False

    def wants(self, event: str | None) -> bool:
        """Whether an event wakes the handler. A close of the notifier has no name, and always does."""
        return event is None or not self.is_for_end or event in _ENDS

    def notice(self, version: JobVersion | None) -> None:
        """Wake the handler if a version is news to it. None, of a deleted job, is always news."""
        if version is not None and (
            version == self.seen or (self.is_for_end and not version.status.is_terminal)
        ):
            return
        self.seen = version
        self.changed = True
        self.woken.set()

    async def wait(self, seconds: float) -> bool:
        """Sleep until woken or timed out; return whether it was woken."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + seconds
        # Most waits end by a wake-up, and a timer is expensive: a timer that fires too early is moved on.
        if self._timer is None or self._timer.when() > self._due:
            self.stop()
            self._timer = loop.call_at(self._due, self._time_out, loop)
        await self.woken.wait()
        self.woken.clear()
        was_woken, self._has_timed_out = not self._has_timed_out, False
        return was_woken

    def stop(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_out(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop.time() < self._due:
            self._timer = loop.call_at(self._due, self._time_out, loop)
        else:
            self._timer = None
            self._has_timed_out = True
            self.woken.set()


class RecentJobs:
    """The ids of the jobs that were added last. Thread-safe."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._ids: dict[str, None] = {}
        self._lock = Lock()

    def add(self, job_id: str) -> None:
        """Add a job; when full, drop the oldest."""
        with self._lock:
            self._ids[job_id] = None
            if len(self._ids) > self._number:
                del self._ids[next(iter(self._ids))]

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._ids


class JobNotifier:
    """Wakes the handlers that wait for jobs, from one subscription to the event feed.

    Once a second, one query for all waiting handlers makes up for lost events. A handler whose caller has
    lost its access is woken so that it ends.

    Args:
        max_listeners: Concurrent subscriptions.
        max_per_address: Concurrent subscriptions of one address; None for no limit.
        recheck_s: Seconds between two queries for changes whose event was lost.
    """

    def __init__(
        self,
        event_feed: EventFeed,
        read_versions: ReadVersions,
        max_listeners: int,
        max_per_address: int | None = None,
        recheck_s: float = _RECHECK_S,
    ) -> None:
        self._event_feed = event_feed
        self._read_versions = read_versions
        self.capacity = SharedBudget(
            max_listeners,
            max_per_address,
            "the limit on callers that wait for jobs is reached",
            f"the limit of {max_per_address} waiting requests per address is reached",
        )
        self._of_tenants: Counter[TenantName] = Counter()
        self._recheck_s = recheck_s
        self._tasks: list[asyncio.Task[None]] = []
        self._subscriptions: dict[str, list[Subscription]] = {}
        self._ended = RecentJobs(_ENDED_KEPT)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self.is_closed = False

    async def start(self) -> None:
        """Subscribe to the event feed."""
        self._loop = asyncio.get_running_loop()
        self._unsubscribe = await asyncio.to_thread(self._event_feed.subscribe, self._hear)
        self._tasks = [asyncio.create_task(self._recheck()), asyncio.create_task(self._reauthenticate())]

    async def stop(self) -> None:
        """End all waits and the subscription to the event feed."""
        self.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.to_thread(self._unsubscribe)

    def close(self) -> None:
        """End all waits and streams; their handlers respond with the current state."""
        self.is_closed = True
        for job_id in tuple(self._subscriptions):
            self._wake(job_id)

    def check(self, caller: Caller) -> None:
        """Check that a caller may wait for a job, or open a stream.

        Raises:
            Overloaded: Too many callers wait, in total or from the caller's address.
            QuotaExceeded: Too many callers of its tenant wait in this process.
        """
        self.capacity.check()
        used, allowed = self._of_tenants[caller.tenant.name], caller.tenant.quota.streams
        if allowed is not None and used >= allowed:
            raise QuotaExceeded("streams", used, allowed, _RETRY_AFTER_S)

    @contextmanager
    def listen(
        self, caller: Caller, job_id: JobId | BatchId, *, is_for_end: bool = False
    ) -> Iterator[Subscription]:
        """Subscribe to a job or a batch, or only to its end, while the context lasts.

        A job that ended a moment ago wakes its subscription at once. A batch has no version, so every query
        for changes wakes its subscription too. The subscription is refused if the tenant's quota was used up
        since `check`.
        """
        used, allowed = self._of_tenants[caller.tenant.name], caller.tenant.quota.streams
        subscription = Subscription(
            is_for_end,
            reauthenticate=reauthenticate.get(),
            is_refused=allowed is not None and used >= allowed,
        )
        listeners = self._subscriptions.setdefault(str(job_id), [])
        listeners.append(subscription)
        release = self.capacity.take()
        self._of_tenants[caller.tenant.name] += 1
        if str(job_id) in self._ended:  # checked after subscribing, so that no end is missed
            subscription.woken.set()
        try:
            yield subscription
        finally:
            subscription.stop()
            release()
            self._of_tenants -= Counter([caller.tenant.name])
            listeners.remove(subscription)
            if not listeners:
                del self._subscriptions[str(job_id)]

    def number_of(self, tenant: TenantName) -> int:
        """Return the number of subscriptions of a tenant's callers in this process."""
        return self._of_tenants[tenant]

    def listened(self) -> list[JobId]:
        """Return the ids of the jobs and batches that have a subscription. A batch's id is no job's."""
        return [JobId(UUID(job_id)) for job_id in tuple(self._subscriptions)]

    def _hear(self, message: Message) -> None:
        """Receive an event on the feed's thread, and wake its subscriptions on the event loop."""
        job_id = message.body.get("job_id") or message.body.get("batch_id")
        if not isinstance(job_id, str):
            return
        if message.name in _ENDS:
            self._ended.add(job_id)
        listeners = tuple(self._subscriptions.get(job_id, ()))
        if self._loop is not None and any(listener.wants(message.name) for listener in listeners):
            with suppress(RuntimeError):  # the loop has ended, and all waits with it
                self._loop.call_soon_threadsafe(self._wake, job_id, message.name)

    def _wake(self, job_id: str, event: str | None = None) -> None:
        for subscription in self._subscriptions.get(job_id, ()):
            if subscription.wants(event):
                subscription.changed = True
                subscription.woken.set()

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(self._recheck_s)
            if self._subscriptions:
                await self._recheck_once()

    async def _recheck_once(self) -> None:
        asked = self.listened()
        try:
            self._compare(asked, await asyncio.to_thread(self._read_versions, asked))
        except DependencyUnavailable as error:
            logger.warning(
                "jobs not checked for changes, retrying in %.1f s: %s",
                self._recheck_s,
                error,
                extra=outage_of(error),
            )
        except Exception:  # a bug in one check must not end all waits
            logger.exception("checking jobs for changes failed")

    async def _reauthenticate(self) -> None:
        while True:
            await asyncio.sleep(_REAUTHENTICATE_S)
            turn = asyncio.Semaphore(_REAUTHENTICATED_AT_ONCE)
            await asyncio.gather(
                *(
                    self._reauthenticate_one(one, one.reauthenticate, turn)
                    for listeners in self._subscriptions.values()
                    for one in listeners
                    if one.reauthenticate is not None
                )
            )

    @staticmethod
    async def _reauthenticate_one(
        subscription: Subscription, reauthenticate: Callable[[], Awaitable[object]], turn: asyncio.Semaphore
    ) -> None:
        try:
            async with turn:
                await reauthenticate()
        except NotAuthenticated:
            subscription.is_refused = True
            subscription.woken.set()
        except DependencyUnavailable as error:
            logger.warning(
                "waiting callers not authenticated again, retrying in %.1f s: %s",
                _REAUTHENTICATE_S,
                error,
                extra=outage_of(error),
            )
        except Exception:  # the other callers must still be authenticated
            logger.exception("authenticating a waiting caller again failed")

    def _compare(self, asked: Collection[JobId], versions: Mapping[JobId, JobVersion]) -> None:
        for job_id in asked:
            for subscription in self._subscriptions.get(str(job_id), ()):
                subscription.notice(versions.get(job_id))


async def until_deleted(events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield the events of a job, and end when it is deleted; a client that reconnects gets a 404."""
    async with aclosing(events):
        try:
            async for piece in events:
                yield piece
        except NotFound:
            return


async def read_anew(
    job_reader: JobReader, caller: Caller, known: JobDetails, subscription: Subscription
) -> JobDetails:
    """Read a job again, or return the known details while the database is unavailable.

    Raises:
        NotFound: The job was deleted.
    """
    subscription.changed = False
    try:
        details = await asyncio.to_thread(job_reader.get, caller, known.job.id)
    except DependencyUnavailable:
        subscription.seen = None
        return known
    subscription.seen = details.version
    return details
