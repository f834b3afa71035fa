"""The port to stored executions."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from domain.execution import Execution, ExecutionResult, Note
from domain.job import Job
from domain.tenant import TenantName
from domain.values import ExecutionId, JobId


class ExecutionRepository(ABC):
    """The executions, as the transaction sees them. Leases use the database's time.

    The times of an execution never decrease, even if the clocks of hosts disagree. A lease or a delay that
    began later than now was written before the database's clock was set back, and counts as over.

    An execution is *waiting* until it is claimed or ended. It is *held* while a worker's claim on it is
    valid: it is claimed by that worker and not ended, and its job is RUNNING with it as the current
    execution.
    """

    @abstractmethod
    def add(self, job: Job, execution: Execution, delay_s: float = 0.0) -> None:
        """Store a new execution of a job, which waits to be claimed once its delay is over."""

    @abstractmethod
    def add_all(self, started: Sequence[tuple[Job, Execution]]) -> None:
        """Store new executions of stored jobs, as `add` does, in few statements."""

    @abstractmethod
    def release(self, limit: int) -> Sequence[ExecutionId]:
        """Release up to `limit` executions whose delay is over; return them."""

    @abstractmethod
    def release_one(self, execution_id: ExecutionId) -> bool:
        """Release this execution if its delay is over; return whether it was released."""

    @abstractmethod
    def has_due(self) -> bool:
        """Return whether the delay of an execution is over. Cheap, because it is called twice a second."""

    @abstractmethod
    def get(self, execution_id: ExecutionId) -> Execution | None:
        """Return an execution, or None if there is none with that id."""

    def current(self, job: Job) -> Execution | None:
        """Return the current execution of a job, or None if it was never executed."""
        current = job.current_execution_id
        return None if current is None else self.get(current)

    @abstractmethod
    def claim_next(
        self,
        worker: str,
        lease_s: float,
        *,
        limit: int = 1,
        starts: bool = False,
        queues: Collection[str] | None = None,
        after: TenantName | None = None,
    ) -> Sequence[Execution]:
        """Claim waiting executions for one worker, fairly between tenants.

        Each claim goes to the tenant with the fewest running executions; among equal tenants, to the next by
        name after `after`, the tenant that was served last. Several claims at once are spread in the same
        way. Within a tenant the most urgent execution comes first, and among equally urgent ones the oldest.
        Executions of a tenant that is not active, or that has used up its quota of running executions, keep
        waiting. A delegated execution counts as running; a spooled one does not, because its program has
        ended.

        With `starts`, the programs start at once, so the time of the claim is also the start. With
        `queues`, executions in other queues keep waiting.
        """

    @abstractmethod
    def claim(
        self, execution_id: ExecutionId, worker: str, lease_s: float, *, starts: bool = False
    ) -> Execution | None:
        """Claim this execution for one worker, as `claim_next` does.

        Returns None if it is not waiting, or if its tenant holds it back.
        """

    @abstractmethod
    def renew(self, worker: str, held: Collection[ExecutionId], lease_s: float) -> set[ExecutionId]:
        """Extend the leases of a worker's executions; return the ones that it still holds."""

    @abstractmethod
    def mark_started(self, execution_id: ExecutionId, worker: str) -> datetime | None:
        """Record the start of the program; return its time, or None if the worker no longer holds it."""

    @abstractmethod
    def mark_building(self, execution_id: ExecutionId, worker: str) -> None:
        """Record that the compiler has started, if the worker still holds the execution."""

    @abstractmethod
    def set_notes(self, execution_id: ExecutionId, worker: str, notes: Sequence[Note]) -> None:
        """Record the notes before the end, if the worker still holds the execution."""

    @abstractmethod
    def unmark_started(self, execution_id: ExecutionId, worker: str) -> None:
        """Record that the program has not started after all, if the worker still holds the execution."""

    @abstractmethod
    def delegate(self, execution_id: ExecutionId, worker: str, engine: str, lease_s: float) -> bool:
        """Delegate a held execution to an engine that will report its end itself.

        The claim passes to the engine, with a new lease. Returns whether the worker still held the execution.
        """

    @abstractmethod
    def await_storage(self, execution_id: ExecutionId, holder: str, lease_s: float) -> bool:
        """Pass the claim to `holder` on an execution whose result is kept until its log is stored.

        The present holder loses the claim, and the lease is replaced. Returns whether the execution was
        claimed and is its job's current one.
        """

    @abstractmethod
    def awaiting_storage(self) -> int:
        """Return how many executions have a result that is kept until its log is stored."""

    @abstractmethod
    def end(
        self, execution_id: ExecutionId, result: ExecutionResult | None, now: datetime, log_bytes: int = 0
    ) -> bool:
        """Record that an execution has ended: with a result, or without one if it was cancelled or lost.

        A recorded result is never replaced, and the time of the first end is kept. Returns whether the result
        was recorded. The size of a log is stored with the result that names it.
        """

    @abstractmethod
    def expire_lease(self, execution_id: ExecutionId, now: datetime) -> bool:
        """End a claimed execution whose lease has expired; return whether there was one."""

    @abstractmethod
    def orphaned(self, limit: int) -> Sequence[Execution]:
        """Return claimed executions that have not ended and whose lease has expired, oldest first."""

    @abstractmethod
    def waiting(
        self, longer_than_s: float, limit: int, queues: Collection[str] | None = None
    ) -> Mapping[ExecutionId, JobId]:
        """Return executions that have waited for longer than `longer_than_s`, oldest first, and their jobs.

        With `queues`, only executions in these queues. Executions held back by their tenant are
        omitted: the tenant is not active, or has used up its quota of running executions.
        """

    @abstractmethod
    def count_running(self, tenant: TenantName) -> int:
        """Return how many executions of a tenant are running: claimed or delegated, but not spooled."""

    @abstractmethod
    def count_waiting(self, tenant: TenantName, at_most: int) -> int:
        """Return how many executions of a tenant are waiting or postponed, up to `at_most`."""

    @abstractmethod
    def defer(
        self,
        claimed: Execution,
        worker: str,
        within_s: float | None,
        queue: str | None = None,
        delay_s: float = 0.0,
    ) -> bool:
        """Put an execution that its engine could not start back in the queue.

        Args:
            claimed: The execution as the worker claimed it.
            worker: The worker.
            within_s: The maximum time since it was first deferred; None if another worker can start it, so
                that it does not count as deferred.
            queue: The queue to wait in, instead of its language's.
            delay_s: How long it is delayed, unless it is left to another worker.

        Returns:
            False if the worker no longer holds this claim, or if the execution was first deferred too long
            ago.
        """

    @abstractmethod
    def mark_deferred(self, queues: Collection[str], limit: int) -> int:
        """Mark waiting executions in these queues as deferred; return how many are newly marked."""

    @abstractmethod
    def deferred(
        self, queues: Collection[str], longer_than_s: float, limit: int
    ) -> Mapping[ExecutionId, JobId]:
        """Return waiting executions in these queues deferred for longer than a time, and their jobs."""

    @abstractmethod
    def give_up(self, execution_id: ExecutionId, now: datetime) -> bool:
        """End a waiting execution; return whether it was waiting."""
