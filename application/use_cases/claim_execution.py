"""Command: claim the next waiting execution."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from threading import Event, Lock
from typing import Generic, TypeVar

from application.errors import CorruptRow
from application.poison_jobs import PoisonJobHandler
from application.ports.clock import Clock
from application.ports.execution_engine import ExecutionEngine
from application.ports.execution_repository import ExecutionRepository
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.retry_policy import RetryPolicy
from application.tenant_separation import TenantSeparation
from domain.execution import Execution
from domain.job import Job
from domain.tenant import TenantName
from domain.values import ExecutionId

logger = logging.getLogger("service_server.executions")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Claim:
    """An execution claimed by this worker, and its job.

    Attributes:
        execution: The execution as claimed, with its start if a claim implies it.
        asked: The time before the claim, by this machine's monotonic clock; the lease began at or after it.
    """

    job: Job
    execution: Execution
    asked: float


@dataclass(slots=True, eq=False)
class _Caller(Generic[T]):
    woken: Event = field(default_factory=Event)
    is_served: bool = False
    result: T | None = None


class ClaimBatcher(Generic[T]):
    """Coalesces claims that several threads request at the same time into one.

    A thread that comes alone is served at once. Threads that come during a claim wait, and the first of them
    then claims for all of them, so that a busy process makes fewer, larger claims.

    Args:
        claim: Takes the number of requested claims, and returns at most that many. It is never called
            concurrently.
    """

    def __init__(self, claim: Callable[[int], Sequence[T]]) -> None:
        self._claim = claim
        self._waiting: list[_Caller[T]] = []
        self._is_busy = False
        self._lock = Lock()

    @property
    def waiting(self) -> int:
        """The number of threads that wait for the claim in progress."""
        return len(self._waiting)

    def next(self) -> T | None:
        """Return a claim, or None if there were too few.

        Raises the error of `claim` in this thread only; the other threads try again themselves.
        """
        caller: _Caller[T] = _Caller()
        with self._lock:
            self._waiting.append(caller)
            must_wait, self._is_busy = self._is_busy, True
        if must_wait:
            caller.woken.wait()
        if not caller.is_served:
            self._serve(caller)
        return caller.result

    def _serve(self, caller: _Caller[T]) -> None:
        with self._lock:
            served, self._waiting = self._waiting, []
        try:
            results = self._claim(len(served))
            if len(results) > len(served):
                raise ValueError("more claims than were wanted")
            for one, result in zip_longest(served, results):
                one.is_served, one.result = True, result
        finally:
            self._pass_on([one for one in served if one is not caller])

    def _pass_on(self, others: Sequence[_Caller[T]]) -> None:
        """Wake the threads that were served, and one of the others, which then claims for the rest."""
        with self._lock:
            self._waiting = [one for one in others if not one.is_served] + self._waiting
            self._is_busy = bool(self._waiting)
            awake = [one for one in others if one.is_served] + self._waiting[:1]
        for one in awake:
            one.woken.set()


class ClaimExecution:
    """Claims the next waiting execution for this worker, under a lease.

    * Tenants take turns: the one with the fewest running executions is next. Within a tenant the most urgent
      execution comes first, and among equally urgent ones the oldest.
    * A tenant never runs more executions at once than its quota allows, and none unless it is active.
    * Threads that claim at the same time share one transaction.
    * An execution whose job is missing or is a corrupt row is ended, so that it blocks no other.
    * Executions in languages whose engine is unavailable are left waiting. All are left waiting while several
      tenants are active and the engine does not isolate the programs of tenants from each other.
    * A claim whose commit got no answer is looked up until the database responds, because no other process
      would run the execution before the lease expires.

    Attributes:
        batcher: Coalesces the claims of several threads.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        engine: ExecutionEngine,
        separation: TenantSeparation,
        poison_jobs: PoisonJobHandler,
        outcome_retry: RetryPolicy,
        clock: Clock,
        worker: str,
        lease_s: float,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._engine = engine
        self._separation = separation
        self._poison_jobs = poison_jobs
        self._outcome_retry = outcome_retry
        self._clock = clock
        self._worker = worker
        self._lease_s = lease_s
        self._served_last: TenantName | None = None
        self.batcher = ClaimBatcher(self.claim_next)

    def __call__(self, only: ExecutionId | None = None) -> Claim | None:
        """Claim the next waiting execution, or only the given one; return None if there is none.

        Raises:
            DependencyUnavailable: The database is unavailable; nothing is claimed.
        """
        if only is None:
            return self.batcher.next()
        return next(iter(self._claim_only(only)), None)

    def claim_next(self, limit: int) -> Sequence[Claim]:
        """Claim up to `limit` waiting executions in one transaction.

        Raises:
            DependencyUnavailable: The database is unavailable; nothing is claimed.
        """
        starts, languages = self._engine.claim_implies_start, self._separation.startable_languages()
        after = self._served_last
        claims = self._claim(
            lambda executions: executions.claim_next(
                self._worker, self._lease_s, limit=limit, starts=starts, languages=languages, after=after
            )
        )
        if claims:
            self._served_last = claims[-1].job.tenant
        return claims

    def _claim_only(self, execution_id: ExecutionId) -> Sequence[Claim]:
        starts = self._engine.claim_implies_start

        def claim(executions: ExecutionRepository) -> Sequence[Execution]:
            executions.release_one(execution_id)  # a standalone runner has no `ReleaseDelayed`
            claimed = executions.claim(execution_id, self._worker, self._lease_s, starts=starts)
            return [] if claimed is None else [claimed]

        return self._claim(claim)

    def _claim(self, claim: Callable[[ExecutionRepository], Sequence[Execution]]) -> Sequence[Claim]:
        asked = self._clock.monotonic()
        return self._unit_of_work.run(
            lambda transaction: list(self._with_jobs(transaction, claim(transaction.executions), asked)),
            self._outcome_retry,
        )

    def _with_jobs(
        self, transaction: Transaction, claimed: Sequence[Execution], asked: float
    ) -> Iterator[Claim]:
        jobs = transaction.jobs.get_all_of_any_tenant([execution.job_id for execution in claimed])
        for execution in claimed:
            job = jobs.get(execution.job_id)
            now = execution.claimed_at or execution.requested_at
            if job is None:
                transaction.executions.end(execution.id, None, now)
                logger.error("execution %s ended because its job no longer exists", execution.id)
            elif isinstance(job, CorruptRow):
                self._poison_jobs.end(transaction, execution, now, job)
            else:
                yield Claim(job, execution, asked)
