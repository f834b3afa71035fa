"""Requests that wait for the end of a job (`wait=`)."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from litestar.types import Receive

from application.errors import DependencyUnavailable, NotAuthenticated, NotFound, QuotaExceeded
from application.queries.batch_reader import BatchReader
from application.queries.job_reader import JobReader
from application.views import BatchView, JobStatusView, JobView
from domain.caller import Caller
from domain.job_lifecycle import JobStatus
from domain.values import BatchId, JobId
from entrypoints.http.concurrency import Overloaded
from entrypoints.http.streaming.job_notifier import JobNotifier, Subscription

T = TypeVar("T")
Shown = TypeVar("Shown")


class JobWaiter:
    """Waits for jobs and batches to end, without a thread: it reads the database after each wake-up.

    The response is made on the thread that read the job, because making it may call the log store.

    Args:
        caller: The caller that waits.
        receive: Receives the client's disconnect, which ends the wait.
        max_wait_s: The longest wait.
    """

    def __init__(
        self,
        notifier: JobNotifier,
        job_reader: JobReader,
        batch_reader: BatchReader,
        caller: Caller,
        receive: Receive,
        max_wait_s: float,
    ) -> None:
        self._notifier = notifier
        self._job_reader = job_reader
        self._batch_reader = batch_reader
        self._caller = caller
        self._receive = receive
        self._max_wait_s = max_wait_s

    async def until_ended(
        self, named: JobId | str, seconds: float, show: Callable[[JobStatusView], Shown]
    ) -> Shown:
        """Show the status of a job once the job has ended, or after some seconds.

        Args:
            named: The job's id, or a prefix of it.
            seconds: The longest wait.
            show: Makes the response.

        Raises:
            NotFound: There is no such job.
            AmbiguousJobId: Several ids have this prefix.
            DependencyUnavailable: The database is unavailable.
            Overloaded: Too many callers wait.
            QuotaExceeded: Too many callers of the tenant wait.
            NotAuthenticated: The caller's key was revoked meanwhile.
        """

        def look() -> tuple[bool, Shown]:
            view = self._job_reader.status(self._caller, self._job_reader.named(self._caller, named))
            return view.status.is_terminal, show(view)

        if seconds <= 0:
            _, seen = await asyncio.to_thread(look)
            return seen
        named = job_id = await asyncio.to_thread(self._job_reader.named, self._caller, named)
        return await self._look_until(job_id, seconds, look, is_known=False)

    async def until_batch_ended(self, batch_id: BatchId, seconds: float) -> BatchView:
        """Return a batch once all of its jobs have ended, or after some seconds.

        Raises:
            NotFound: There is no such batch.
            DependencyUnavailable: The database is unavailable.
            Overloaded: Too many callers wait.
            QuotaExceeded: Too many callers of the tenant wait.
            NotAuthenticated: The caller's key was revoked meanwhile.
        """

        def look() -> tuple[bool, BatchView]:
            view = self._batch_reader.get(self._caller, batch_id)
            return view.has_ended, view

        if seconds <= 0:
            _, seen = await asyncio.to_thread(look)
            return seen
        return await self._look_until(batch_id, seconds, look, is_known=False)

    async def settled(
        self, started: JobView, seconds: float, show: Callable[[JobView], Shown]
    ) -> Shown | None:
        """Show a job that was just started once it has ended, or after some seconds.

        Returns None if there is nothing newer: no wait was requested, the job was deleted, the database is
        unavailable, too many clients wait, or the caller's key was revoked meanwhile.
        """
        if seconds <= 0 or started.status is not JobStatus.RUNNING:
            return None

        def look() -> tuple[bool, Shown]:
            details = self._job_reader.with_cases(self._caller, started.job_id)
            return details.job.status.is_terminal, show(details.view)

        try:
            return await self._look_until(started.job_id, seconds, look, is_known=True)
        except (DependencyUnavailable, NotAuthenticated, NotFound, Overloaded, QuotaExceeded):
            return None

    async def _look_until(
        self,
        subject: JobId | BatchId,
        seconds: float,
        look: Callable[[], tuple[bool, T]],
        *,
        is_known: bool,
    ) -> T:
        """Read the job or the batch after each wake-up, and also at first unless its state is known."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(seconds, self._max_wait_s)
        self._notifier.check(self._caller)
        with (
            self._notifier.listen(self._caller, subject, is_for_end=True) as subscription,
            self._departure(subscription) as has_left,
        ):
            if is_known and not self._notifier.is_closed:
                await subscription.wait(deadline - loop.time())
            while True:
                if subscription.is_refused:
                    raise NotAuthenticated
                has_ended, seen = await asyncio.to_thread(look)
                left = deadline - loop.time()
                if has_ended or left <= 0 or self._notifier.is_closed or has_left():
                    return seen
                await subscription.wait(left)

    @contextmanager
    def _departure(self, subscription: Subscription) -> Iterator[Callable[[], bool]]:
        """Wake the subscription when the client disconnects; yield a check whether it has."""
        leaving = asyncio.create_task(self._until_left(subscription))
        try:
            yield leaving.done
        finally:
            leaving.cancel()

    async def _until_left(self, subscription: Subscription) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        subscription.woken.set()
