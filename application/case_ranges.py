"""The ranges of a job's cases that threads claim and run."""

import logging
from collections.abc import Sequence
from enum import Enum, auto

from application.case_programs import CaseProgram
from application.errors import DependencyUnavailable
from application.in_flight_cases import InFlightCases
from application.outbox_writer import OutboxWriter
from application.ports.case_repository import CaseRange, CaseRun
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.retry_policy import RetryPolicy
from domain.cases import CaseResult, StopOn, Verdict, skip_after
from domain.execution import ExecutionResult
from domain.values import JobId

logger = logging.getLogger("service_server.cases")

# Results are stored, and become visible to readers, at this interval. A range takes several times as long, so
# that claims are few.
_KEEP_EVERY_S = 0.1
_RANGE_S = 0.4
_MAX_AT_ONCE = 64
# Skipped cases take no time except that of their claim.
_SKIPPED_AT_ONCE = 500
# The first cases show how long the others take.
_FIRST = 2
# How many ranges per thread are left when the last ones are claimed.
_SHARES = 2


class End(Enum):
    """How this process's work on a range ended."""

    DONE = auto()
    LOST = auto()  # the claim was lost, or the job has ended
    STOPPED = auto()


class CaseRanges:
    """Claims ranges of cases, runs them, and stores their results.

    * A range is claimed under a lease. The claim is the fence of every write about its cases: if a worker is
      lost, another claims its cases that have no result, and every case has one result.
    * Ranges are long enough that claims are few, and short enough that all threads have some.
    * Results are stored in batches, each with an event.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        in_flight: InFlightCases,
        outbox_writer: OutboxWriter,
        clock: Clock,
        ids: IdGenerator,
        retry: RetryPolicy,
        lease_s: float,
        worker_threads: int,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._in_flight = in_flight
        self._outbox_writer = outbox_writer
        self._clock = clock
        self._ids = ids
        self._retry = retry
        self._lease_s = lease_s
        self._worker_threads = worker_threads

    def claim_first(self, job_id: JobId) -> CaseRange | None:
        """Claim a few cases of a job whose program is not open here; None if there are none."""
        return self._claim(job_id, _FIRST)

    def claim_next(self, program: CaseProgram) -> CaseRange | None:
        """Claim cases: enough for some time, but leaving some for every thread; None if there are none."""
        return self._claim(program.job.id, self._limit(program))

    def release(self, taken: CaseRange) -> None:
        """End a claim, so that others may claim its cases."""
        try:
            self._unit_of_work.run(lambda transaction: transaction.cases.release([taken.id]))
        except DependencyUnavailable as error:
            logger.warning("cases of job %s stay claimed until their lease expires: %s", taken.job_id, error)

    def run(self, program: CaseProgram, taken: CaseRange) -> End:
        """Run the cases of a claimed range that have no result."""
        program.seen = max(program.seen, taken.last + 1)
        with self._in_flight.track(taken.id, program.execution_id, program.job.id):
            end = _RangeRun(self, program, taken, self._clock).run()
            if end is End.STOPPED:
                self.release(taken)
            return end

    def record(
        self, program: CaseProgram, taken: CaseRange, results: Sequence[CaseResult], *, is_done: bool
    ) -> CaseRun | None:
        """Store results and an event about them; return the state of the cases, None if the claim is lost."""
        last_run = skip_after(results, program.stop_on)
        events = [program.judged(results, self._clock)] if results else []

        def write(transaction: Transaction) -> CaseRun | None:
            if last_run is not None:
                transaction.cases.skip_after(program.job.id, last_run)
            run = transaction.cases.record(taken.id, results, is_done=is_done, lease_s=self._lease_s)
            if run is not None:
                self._outbox_writer.add(transaction, events, program.job)
            return run

        return self._retry(lambda: self._unit_of_work.run(write, self._retry))

    def _claim(self, job_id: JobId, limit: int) -> CaseRange | None:
        range_id = self._ids.new()
        return self._retry(
            lambda: self._unit_of_work.run(
                lambda transaction: transaction.cases.claim(job_id, range_id, limit, self._lease_s),
                self._retry,
            )
        )

    def _limit(self, program: CaseProgram) -> int:
        if program.skips:
            return _SKIPPED_AT_ONCE
        if not program.ran:
            return _FIRST
        for_some_time = int(_RANGE_S * program.ran / max(program.ran_s, 0.001))
        left = len(program.cases) - program.seen
        return max(1, min(for_some_time, left // (_SHARES * self._worker_threads), _MAX_AT_ONCE))


class _RangeRun:
    """Runs the cases of one range, and stores their results at intervals."""

    def __init__(self, ranges: CaseRanges, program: CaseProgram, taken: CaseRange, clock: Clock) -> None:
        self._ranges = ranges
        self._program = program
        self._taken = taken
        self._clock = clock
        self._results: list[CaseResult] = []
        self._skip_after: int | None = None
        self._kept_at = clock.monotonic()

    def run(self) -> End:
        taken = self._taken
        if self._program.stop_on is StopOn.FIRST_FAILURE and not self._keep():
            return End.LOST
        for index in range(taken.first, taken.last + 1):
            if index in taken.done:
                continue
            result = self._result(index)
            if isinstance(result, ExecutionResult):
                return End.STOPPED if self._keep() else End.LOST
            self._results.append(result)
            if self._is_due(result) and not self._keep():
                return End.LOST
        return End.DONE if self._keep(is_done=True) else End.LOST

    def _result(self, index: int) -> CaseResult | ExecutionResult:
        if self._skip_after is not None and index > self._skip_after:
            return CaseResult.skipped(index, self._program.cases[index])
        return self._program.run_case(index, self._clock)

    def _is_due(self, result: CaseResult) -> bool:
        """Whether results should be stored now: at intervals, and at once if other cases must be skipped."""
        stops = self._program.stop_on is StopOn.FIRST_FAILURE and self._skip_after is None
        is_failure = not result.is_accepted and result.verdict is not Verdict.SKIPPED
        return (stops and is_failure) or self._clock.monotonic() - self._kept_at >= _KEEP_EVERY_S

    def _keep(self, *, is_done: bool = False) -> bool:
        run = self._ranges.record(self._program, self._taken, self._results, is_done=is_done)
        self._results = []
        self._kept_at = self._clock.monotonic()
        if run is None:
            return False
        self._skip_after = run.skip_after
        self._program.skips = run.skip_after is not None and self._taken.last > run.skip_after
        return True
