from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from application.ports.execution_repository import ExecutionRepository
from domain.execution import Execution, ExecutionResult, Note
from domain.job_lifecycle import JobStatus
from domain.values import ExecutionId, JobId
from tests.support.memory.database import QueuedExecution, Tables, is_from_the_future, is_older


class MemoryExecutionRepository(ExecutionRepository):
    """The executions in a transaction's tables."""

    def __init__(self, tables: Tables, now: Callable[[], datetime]) -> None:
        self._tables = tables
        self._rows = tables.executions
        self._now = now

    def add(self, execution: Execution) -> None:
        """Store a new execution, waiting to be claimed; one that is stored already stays as it is."""
        if execution.job_id not in self._tables.jobs:
            raise LookupError(f"execution {execution.id} belongs to no job")
        self._rows.setdefault(execution.id, QueuedExecution(execution=execution, waiting_since=self._now()))

    def get(self, execution_id: ExecutionId) -> Execution | None:
        """Return an execution, or None if there is none of that id."""
        row = self._rows.get(execution_id)
        return None if row is None else row.execution

    def claim_next(
        self,
        worker: str,
        lease_s: float,
        *,
        limit: int = 1,
        starts: bool = False,
        languages: Collection[str] | None = None,
    ) -> Sequence[Execution]:
        """Claim the oldest of the most urgent waiting executions."""
        waiting = list(self._waiting(languages))
        waiting.sort(key=lambda row: (-row.execution.priority, *_age(row.execution)))
        return [self._claim(row, worker, lease_s, starts) for row in waiting[:limit]]

    def claim(
        self, execution_id: ExecutionId, worker: str, lease_s: float, *, starts: bool = False
    ) -> Execution | None:
        """Claim this execution, if it waits."""
        row = self._rows.get(execution_id)
        return self._claim(row, worker, lease_s, starts) if row is not None and row.is_waiting else None

    def renew(self, worker: str, held: Collection[ExecutionId], lease_s: float) -> set[ExecutionId]:
        """Extend the leases of a worker's executions; return the ones that it still holds."""
        kept = [row for row in map(self._rows.get, held) if row is not None and self._holds(worker, row)]
        for row in kept:
            self._lease(row, row.execution, lease_s)
        return {row.execution.id for row in kept}

    def mark_started(self, execution_id: ExecutionId, worker: str) -> datetime | None:
        """Record the start of the program; return its time, None if the worker does not hold it any more."""
        row = self._held(execution_id, worker)
        if row is None:
            return None
        started_at = row.execution.started_at or row.execution.not_before(self._now())
        self._store(replace(row, execution=replace(row.execution, started_at=started_at)))
        return started_at

    def mark_building(self, execution_id: ExecutionId, worker: str) -> None:
        """Record that the compiler has been started, if the worker still holds the execution."""
        row = self._held(execution_id, worker)
        if row is not None:
            building_at = row.execution.not_before(self._now())
            self._store(replace(row, execution=replace(row.execution, building_at=building_at)))

    def set_notes(self, execution_id: ExecutionId, worker: str, notes: Sequence[Note]) -> None:
        """Record the remarks from before the end, if the worker still holds the execution."""
        row = self._held(execution_id, worker)
        if row is not None:
            self._store(replace(row, execution=replace(row.execution, notes=tuple(notes))))

    def unmark_started(self, execution_id: ExecutionId, worker: str) -> None:
        """Record that the program has not started after all, if the worker still holds the execution."""
        row = self._held(execution_id, worker)
        if row is not None:
            self._store(replace(row, execution=replace(row.execution, started_at=None)))

    def delegate(self, execution_id: ExecutionId, worker: str, engine: str, lease_s: float) -> bool:
        """Make the claim the engine's; return whether the worker still held it."""
        row = self._held(execution_id, worker)
        if row is not None:
            self._lease(row, replace(row.execution, claimed_by=engine), lease_s)
        return row is not None

    def await_storage(self, execution_id: ExecutionId, holder: str, lease_s: float) -> bool:
        """Make the claim `holder`'s, with a lease of its own; return whether the execution was claimed."""
        row = self._rows.get(execution_id)
        if row is None or not self._holds(row.execution.claimed_by or "", row):
            return False
        self._lease(row, replace(row.execution, claimed_by=holder), lease_s)
        return True

    def awaiting_storage(self) -> int:
        """Return how many executions have a result that is kept until their logs are stored."""
        return sum(row.is_claimed and row.execution.awaits_storage for row in self._rows.values())

    def end(self, execution_id: ExecutionId, result: ExecutionResult | None, now: datetime) -> None:
        """Record the end, and the result if there is one, unless they are recorded already."""
        row = self._rows.get(execution_id)
        if row is not None:
            execution = row.execution
            ended = replace(execution, ended_at=execution.ended_at or now, result=execution.result or result)
            self._store(replace(row, execution=ended))

    def expire_lease(self, execution_id: ExecutionId, now: datetime) -> bool:
        """End a claimed execution whose lease has run out; return whether it was so."""
        row = self._rows.get(execution_id)
        if row is None or not self._is_overdue(row):
            return False
        self._store(replace(row, execution=replace(row.execution, ended_at=now)))
        return True

    def orphaned(self, limit: int) -> Sequence[Execution]:
        """Return claimed executions whose lease has run out, the oldest first."""
        return _oldest(limit, (row for row in self._rows.values() if self._is_overdue(row)))

    def waiting(
        self, longer_than_s: float, limit: int, languages: Collection[str] | None = None
    ) -> Mapping[ExecutionId, JobId]:
        """Return executions that have waited longer than that, the oldest first, and their jobs."""
        now = self._now()
        rows = self._waiting(languages)
        found = _oldest(limit, (row for row in rows if is_older(row.waiting_since, longer_than_s, now)))
        return {execution.id: execution.job_id for execution in found}

    def defer(self, claimed: Execution, worker: str, within_s: float) -> bool:
        """Put a claimed execution back in the queue, unless it was put back first longer ago than that."""
        row, now = self._held(claimed.id, worker), self._now()
        if row is None or row.execution.claimed_at != claimed.claimed_at:
            return False
        known = row.execution.deferred_since
        since = known or max(now, row.execution.requested_at)
        if known is not None and known <= now - timedelta(seconds=within_s):
            return False
        waiting = replace(
            row.execution,
            claimed_by=None,
            claimed_at=None,
            building_at=None,
            started_at=None,
            deferred_since=since,
        )
        self._store(replace(row, execution=waiting, leased_at=None, lease_expires_at=None, waiting_since=now))
        return True

    def mark_deferred(self, languages: Collection[str], limit: int) -> int:
        """Record that these languages' engine cannot start waiting executions; return how many were new."""
        new = [row for row in self._waiting(languages) if row.execution.deferred_since is None][:limit]
        for row in new:
            since = max(self._now(), row.execution.requested_at)
            self._store(replace(row, execution=replace(row.execution, deferred_since=since)))
        return len(new)

    def deferred(
        self, languages: Collection[str], longer_than_s: float, limit: int
    ) -> Mapping[ExecutionId, JobId]:
        """Return waiting executions in these languages that were deferred longer ago, and their jobs."""
        latest = self._now() - timedelta(seconds=longer_than_s)
        waiting = [row.execution for row in self._waiting(languages)]
        found = [one for one in waiting if one.deferred_since is not None and one.deferred_since <= latest]
        return {execution.id: execution.job_id for execution in found[:limit]}

    def give_up(self, execution_id: ExecutionId, now: datetime) -> bool:
        """End a waiting execution; return whether it was one."""
        row = self._rows.get(execution_id)
        if row is None or not row.is_waiting:
            return False
        self._store(replace(row, execution=replace(row.execution, ended_at=now)))
        return True

    def _waiting(self, languages: Collection[str] | None) -> Iterable[QueuedExecution]:
        waiting = [row for row in self._rows.values() if row.is_waiting]
        if languages is None:
            return waiting
        jobs = self._tables.jobs
        return [row for row in waiting if jobs[row.execution.job_id].spec.language.name in languages]

    def _claim(self, row: QueuedExecution, worker: str, lease_s: float, starts: bool) -> Execution:  # noqa: FBT001
        now = row.execution.not_before(self._now())
        started_at = now if starts else None
        claimed = replace(row.execution, claimed_by=worker, claimed_at=now, started_at=started_at)
        self._lease(row, claimed, lease_s)
        return claimed

    def _lease(self, row: QueuedExecution, execution: Execution, lease_s: float) -> None:
        now = self._now()
        end = now + timedelta(seconds=lease_s)
        self._store(replace(row, execution=execution, leased_at=now, lease_expires_at=end))

    def _store(self, row: QueuedExecution) -> None:
        self._rows[row.execution.id] = row

    def _held(self, execution_id: ExecutionId, worker: str) -> QueuedExecution | None:
        row = self._rows.get(execution_id)
        return row if row is not None and self._holds(worker, row) else None

    def _holds(self, worker: str, row: QueuedExecution) -> bool:
        execution = row.execution
        job = self._tables.jobs[execution.job_id]
        return (
            row.is_claimed
            and execution.claimed_by == worker
            and job.status is JobStatus.RUNNING
            and job.current_execution_id == execution.id
        )

    def _is_overdue(self, row: QueuedExecution) -> bool:
        if not row.is_claimed or row.leased_at is None or row.lease_expires_at is None:
            return False
        now = self._now()
        return row.lease_expires_at < now or is_from_the_future(row.leased_at, now)


def _age(execution: Execution) -> tuple[datetime, ExecutionId]:
    return execution.requested_at, execution.id


def _oldest(limit: int, rows: Iterable[QueuedExecution]) -> Sequence[Execution]:
    return sorted((row.execution for row in rows), key=_age)[:limit]
