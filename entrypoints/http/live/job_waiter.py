import asyncio
from collections.abc import Callable
from typing import TypeVar

from application.errors import DependencyUnavailable
from application.use_cases.get_job import GetJob
from application.use_cases.get_job_status import GetJobStatus
from application.views import JobStatusView, JobView
from domain.job_lifecycle import JobStatus
from domain.values import JobId
from entrypoints.http.live.job_signals import JobSignals
from entrypoints.http.live.places import NoPlace
from entrypoints.http.presenter import latest

T = TypeVar("T")

_ENDS = frozenset({"JobCompleted", "JobCancelled"})


class JobWaiter:
    """Waits for jobs to end. It holds no thread while it does: the database is read when something happened.

    Args:
        max_wait_s: Longer than this nobody waits, whatever they ask for.
    """

    def __init__(
        self, signals: JobSignals, get_job_status: GetJobStatus, get_job: GetJob, max_wait_s: float
    ) -> None:
        self._signals = signals
        self._get_job_status = get_job_status
        self._get_job = get_job
        self._max_wait_s = max_wait_s

    async def until_ended(self, job_id: JobId, seconds: float) -> JobStatusView:
        """Return where a job stands when it has ended, or after so many seconds.

        Raises:
            NotFound: There is no such job.
            DependencyUnavailable: The database is out of reach.
            NoPlace: As many wait as may.
        """
        return await self._read_until(job_id, seconds, self._get_job_status, lambda view: view.status)

    async def settled(self, started: JobView, seconds: float) -> JobView:
        """Return a job that was just started as it is when it has ended, or after so many seconds.

        It was started, so with the database out of reach or no place to wait it is returned as it was then.
        """
        if seconds <= 0 or started.status is not JobStatus.RUNNING:
            return started
        try:
            details = await self._read_until(
                started.job_id, seconds, self._get_job, lambda details: details.job.status
            )
        except (DependencyUnavailable, NoPlace):
            return started
        return latest(details)

    async def _read_until(
        self, job_id: JobId, seconds: float, read: Callable[[JobId], T], status: Callable[[T], JobStatus]
    ) -> T:
        if seconds <= 0:
            return await asyncio.to_thread(read, job_id)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(seconds, self._max_wait_s)
        self._signals.check_place()
        with self._signals.listen(job_id, _ENDS) as wakeup:
            while True:
                seen = await asyncio.to_thread(read, job_id)
                left = deadline - loop.time()
                if status(seen).is_terminal or left <= 0 or self._signals.is_closed:
                    return seen
                await wakeup.wait(left)
