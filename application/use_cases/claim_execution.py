"""Command: claim the next waiting execution."""

import logging
from collections.abc import Callable, Iterator, Sequence

from application.claims import Claim, ClaimBatcher
from application.errors import CorruptRow
from application.poison_jobs import PoisonJobHandler
from application.ports.clock import Clock
from application.ports.execution_engine import ExecutionEngine
from application.ports.execution_repository import ExecutionRepository
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.retry_policy import RetryPolicy
from application.tenant_separation import TenantSeparation
from domain.execution import Execution
from domain.tenant import TenantName
from domain.values import ExecutionId

logger = logging.getLogger("service_server.executions")


class ClaimExecution:
    """Claims the next waiting execution for this worker, under a lease.

    * Tenants take turns: the one with the fewest running executions is next. Within a tenant the most urgent
      execution comes first, and among equally urgent ones the oldest.
    * A tenant never runs more executions at once than its quota allows, and none unless it is active.
    * Threads that claim at the same time share one transaction.
    * An execution whose job is missing or is a corrupt row is ended, so that it blocks no other.
    * Executions in queues whose engine is unavailable are left waiting. All are left waiting while several
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
        starts, queues = self._engine.claim_implies_start, self._separation.startable_queues()
        after = self._served_last
        claims = self._claim(
            lambda executions: executions.claim_next(
                self._worker, self._lease_s, limit=limit, starts=starts, queues=queues, after=after
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
