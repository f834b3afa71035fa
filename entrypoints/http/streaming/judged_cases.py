"""The results of jobs' cases in event streams; all streams of a job share one read."""

import asyncio
from collections.abc import Sequence
from weakref import WeakValueDictionary

from msgspec import Struct

from application.errors import DependencyUnavailable
from application.queries.job_reader import JobReader
from application.views import JobDetails
from domain.caller import Caller
from domain.cases import CaseResult as JudgedCase
from domain.values import JobId
from entrypoints.http.presenter import case_result
from entrypoints.http.schemas.jobs import CaseResult
from entrypoints.http.streaming.server_sent_events import event

# Each read reads all results, so the pause after a read is at least this, and 9 times as long as the read.
_EVERY_S = 0.25
_PAUSES_PER_READ = 9


class CasesEvent(Struct, kw_only=True):
    """The results since the last event of this kind."""

    total: int
    done: int
    passed: int
    cases: list[CaseResult]


class _Results:
    """The results of a job's cases so far.

    Attributes:
        reads: The number of times that they were read.
    """

    def __init__(self, job_reader: JobReader) -> None:
        self.cases: Sequence[JudgedCase] = ()
        self.reads = 0
        self._job_reader = job_reader
        self._reading = asyncio.Lock()
        self._are_final = False
        self._next_at = 0.0

    async def refresh(self, caller: Caller, job_id: JobId, *, has_ended: bool) -> float:
        """Read the results if their pause is over; otherwise return the seconds until then.

        Raises:
            NotFound: The job was deleted.
            DependencyUnavailable: The database is unavailable.
        """
        loop = asyncio.get_running_loop()
        async with self._reading:
            begun = loop.time()
            if self._are_final:
                return 0.0
            if begun < self._next_at and not has_ended:
                return self._next_at - begun
            self.cases = (await asyncio.to_thread(self._job_reader.with_cases, caller, job_id)).cases
            self.reads += 1
            self._are_final = has_ended
            ended = loop.time()
            self._next_at = ended + max(_EVERY_S, _PAUSES_PER_READ * (ended - begun))
            return 0.0


class JudgedCases:
    """The case results of all jobs whose events are streamed."""

    def __init__(self, job_reader: JobReader) -> None:
        self._job_reader = job_reader
        self._of_jobs: WeakValueDictionary[JobId, _Results] = WeakValueDictionary()

    def of(self, caller: Caller, job_id: JobId) -> "NewCases":
        """Return the results of a job that a new stream has yet to send."""
        results = self._of_jobs.get(job_id)
        if results is None:
            results = self._of_jobs[job_id] = _Results(self._job_reader)
        return NewCases(results, caller)


class NewCases:
    """The results of a job's cases that a stream has not sent yet.

    Attributes:
        due_in_s: Seconds until there may be more results; None if an event announces each change.
    """

    def __init__(self, results: _Results, caller: Caller) -> None:
        self.due_in_s: float | None = None
        self._results = results
        self._caller = caller
        self._sent: set[int] = set()
        self._seen = 0

    async def take(self, details: JobDetails) -> bytes:
        """Return an event with the new results, or nothing if there are none.

        Raises:
            DependencyUnavailable: The job has ended, and its last results cannot be read.
        """
        cases, job = details.job.spec.cases, details.job
        self.due_in_s = None
        if cases is None or len(self._sent) == cases.total:
            return b""
        try:
            left_s = await self._results.refresh(self._caller, job.id, has_ended=job.status.is_terminal)
        except DependencyUnavailable:
            if job.status.is_terminal:
                raise
            return b""
        self.due_in_s = left_s or None
        if self._seen == self._results.reads:
            return b""
        self._seen, read = self._results.reads, self._results.cases
        new = [result for result in read if result.index not in self._sent]
        if not new:
            return b""
        self._sent.update(result.index for result in new)
        passed = sum(result.is_accepted for result in read)
        shown = [case_result(result) for result in new]
        return event("cases", CasesEvent(total=cases.total, done=len(read), passed=passed, cases=shown))
