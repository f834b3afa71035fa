"""The port to stored executions."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from domain.execution import Execution, ExecutionResult, Note
from domain.job import Job
from domain.tenant import TenantName
from domain.values import ExecutionId, JobId


class ExecutionRepository(ABC):
    """The executions, as the transaction sees them. Leases begin and end by the database's own time.

    No time of an execution is before an earlier one of it, even if the clocks of hosts disagree. A lease or a
    wait that began later than now was written before the database's clock was set back, and is over.

    An execution is *waiting* until it is claimed or ended, and *held* while a worker's claim on it stands:
    claimed by that worker, not ended, its job RUNNING and naming it as the current execution.
    """

    @abstractmethod
    def add(self, job: Job, execution: Execution, delay_s: float = 0.0) -> None:
        """Store a new execution of a job, which waits to be claimed once its delay is over."""

    @abstractmethod
    def add_all(self, started: Sequence[tuple[Job, Execution]]) -> None:
        """Store the new executions of jobs that are stored, as `add` does, in few statements."""

    @abstractmethod
    def release(self, limit: int) -> Sequence[ExecutionId]:
        """Have executions wait whose delay is over, so many at most; return them."""

    @abstractmethod
    def has_due(self) -> bool:
        """Return whether the delay of an execution is over. Cheap: asked every second."""

    @abstractmethod
    def get(self, execution_id: ExecutionId) -> Execution | None:
        """Return an execution, or None if there is none of that id."""

    @abstractmethod
    def claim_next(
        self,
        worker: str,
        lease_s: float,
        *,
        limit: int = 1,
        starts: bool = False,
        languages: Collection[str] | None = None,
        after: TenantName | None = None,
    ) -> Sequence[Execution]:
        """Claim waiting executions for one worker only, fairly between tenants.

        Each claim goes to the tenant of which the fewest executions run, and of equal ones to the next by
        name after `after`, the tenant that was served last; several at once are spread alike. Of a tenant
        the most urgent execution comes first, and of equal ones the oldest. A tenant that is not active, or
        has as many running as its quota allows, goes on waiting. A delegated execution runs; a spooled one
        does not, for its program has ended.

        With `starts`, their programs start at once: the time of the claim is that of the start. With
        `languages`, executions in other languages go on waiting.
        """

    @abstractmethod
    def claim(
        self, execution_id: ExecutionId, worker: str, lease_s: float, *, starts: bool = False
    ) -> Execution | None:
        """Claim this execution for one worker only, as `claim_next` does.

        Return None if it does not wait, or its tenant's executions have to.
        """

    @abstractmethod
    def renew(self, worker: str, held: Collection[ExecutionId], lease_s: float) -> set[ExecutionId]:
        """Extend the leases of a worker's executions; return the ones that it still holds."""

    @abstractmethod
    def mark_started(self, execution_id: ExecutionId, worker: str) -> datetime | None:
        """Record the start of the program; return its time, None if the worker does not hold it any more."""

    @abstractmethod
    def mark_building(self, execution_id: ExecutionId, worker: str) -> None:
        """Record that the compiler has been started, if the worker still holds the execution."""

    @abstractmethod
    def set_notes(self, execution_id: ExecutionId, worker: str, notes: Sequence[Note]) -> None:
        """Record the remarks from before the end, if the worker still holds the execution."""

    @abstractmethod
    def unmark_started(self, execution_id: ExecutionId, worker: str) -> None:
        """Record that the program has not started after all, if the worker still holds the execution."""

    @abstractmethod
    def delegate(self, execution_id: ExecutionId, worker: str, engine: str, lease_s: float) -> bool:
        """Hand a held execution over to an engine that will report its end itself.

        The claim becomes the engine's, with a lease of its own; return whether the worker still held it.
        """

    @abstractmethod
    def await_storage(self, execution_id: ExecutionId, holder: str, lease_s: float) -> bool:
        """Make the claim on an execution whose result is kept until its log is stored `holder`'s.

        The present holder loses the claim, and its lease becomes this one; return whether the execution was
        claimed, and its job's current one.
        """

    @abstractmethod
    def awaiting_storage(self) -> int:
        """Return how many executions have a result that is kept until their logs are stored."""

    @abstractmethod
    def end(
        self, execution_id: ExecutionId, result: ExecutionResult | None, now: datetime, log_bytes: int = 0
    ) -> bool:
        """Record that an execution has ended: with a result, or without one as cancelled or lost.

        A result is kept once it is recorded; the time of the first end stays. Returns whether this was
        recorded. The size of a log is kept with the result that names it.
        """

    @abstractmethod
    def expire_lease(self, execution_id: ExecutionId, now: datetime) -> bool:
        """End a claimed execution whose lease has run out; return whether it was so."""

    @abstractmethod
    def orphaned(self, limit: int) -> Sequence[Execution]:
        """Return claimed executions that have not ended and whose lease has, the oldest first."""

    @abstractmethod
    def waiting(
        self, longer_than_s: float, limit: int, languages: Collection[str] | None = None
    ) -> Mapping[ExecutionId, JobId]:
        """Return executions that have been waiting longer than that, the oldest first, and their jobs.

        With `languages`, none in other languages. None that its tenant holds back: one that is not active,
        or has as many running as its quota allows.
        """

    @abstractmethod
    def count_running(self, tenant: TenantName) -> int:
        """Return how many executions of a tenant run: claimed or delegated, and not spooled."""

    @abstractmethod
    def count_waiting(self, tenant: TenantName, at_most: int) -> int:
        """Return how many executions of a tenant wait; `at_most` where there are more."""

    @abstractmethod
    def defer(
        self, claimed: Execution, worker: str, within_s: float | None, queue: str | None = None
    ) -> bool:
        """Put an execution back in the queue that its engine could not start.

        Args:
            claimed: The execution as the worker claimed it.
            worker: The worker.
            within_s: How long ago it may have been deferred first; None if another worker can start it, so
                that it does not count as deferred.
            queue: The queue that it waits in, in place of its language's.

        Returns:
            False if the worker does not hold this claim any more, or the execution was deferred too long ago.
        """

    @abstractmethod
    def mark_deferred(self, languages: Collection[str], limit: int) -> int:
        """Record that these languages' engine cannot start waiting executions; return how many were new."""

    @abstractmethod
    def deferred(
        self, languages: Collection[str], longer_than_s: float, limit: int
    ) -> Mapping[ExecutionId, JobId]:
        """Return waiting executions in these languages that were deferred longer ago, and their jobs."""

    @abstractmethod
    def give_up(self, execution_id: ExecutionId, now: datetime) -> bool:
        """End a waiting execution; return whether it was one."""
