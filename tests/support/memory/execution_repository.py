from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from application.ports.execution_repository import ExecutionRepository
from domain.execution import Execution, ExecutionResult, Note
from domain.execution_lifecycle import LEASED, TRANSITIONS, ExecutionState, ExecutionTrigger
from domain.fairness import TenantLoad, share
from domain.job import Job
from domain.job_lifecycle import JobStatus
from domain.tenant import TenantName, TenantStatus
from domain.values import ExecutionId, JobId
from tests.support.memory.database import QueuedExecution, Tables, is_from_the_future, is_older

# Spooled executions do not count, because their programs have ended.
_RUNNING = LEASED - {ExecutionState.SPOOLED}


class MemoryExecutionRepository(ExecutionRepository):
    """The executions in a transaction's tables."""

    def __init__(self, tables: Tables, now: Callable[[], datetime]) -> None:
        self._tables = tables
        self._rows = tables.executions
        self._now = now

    def add(self, job: Job, execution: Execution, delay_s: float = 0.0) -> None:
        """Store a new execution, waiting or delayed. An execution that is already stored is unchanged."""
        if execution.job_id not in self._tables.jobs:
            raise LookupError(f"execution {execution.id} belongs to no job")
        now = self._now()
        if delay_s:
            execution = replace(execution, delayed_until=now + timedelta(seconds=delay_s))
        row = QueuedExecution(
            execution=execution,
            tenant=job.tenant,
            waiting_since=now,
            leased_at=now if delay_s else None,
            lease_expires_at=execution.delayed_until,
        )
        self._rows.setdefault(execution.id, row)

    def add_all(self, started: Sequence[tuple[Job, Execution]]) -> None:
        """Store new executions."""
        for job, execution in started:
            self.add(job, execution)

    def release(self, limit: int) -> Sequence[ExecutionId]:
        """Release executions whose delay is over."""
        due = [row.execution.id for row in self._due()][:limit]
        return [execution_id for execution_id in due if self.release_one(execution_id)]

    def release_one(self, execution_id: ExecutionId) -> bool:
        """Release this execution if its delay is over."""
        row = next((row for row in self._due() if row.execution.id == execution_id), None)
        if row is None:
            return False
        unleased = replace(row, leased_at=None, lease_expires_at=None, waiting_since=self._now())
        self._change(unleased, ExecutionTrigger.RELEASE, replace(row.execution, delayed_until=None))
        return True

    def has_due(self) -> bool:
        """Return whether the delay of an execution is over."""
        return any(self._due())

    def get(self, execution_id: ExecutionId) -> Execution | None:
        """Return an execution, or None if there is none with that id."""
        row = self._rows.get(execution_id)
        return None if row is None else row.execution

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
        """Claim waiting executions, fairly between tenants; in each, the most urgent and oldest first."""
        waiting: dict[TenantName, list[QueuedExecution]] = {}
        for row in self._waiting(queues):
            waiting.setdefault(row.tenant, []).append(row)
        last = after.value if after else ""
        in_turn = sorted(waiting, key=lambda name: (name.value <= last, name.value))
        claimed: list[Execution] = []
        while len(claimed) < limit:
            shares = share((load for name in in_turn if waiting[name] for load in self._load(name)), 1)
            if not shares:
                break
            rows = waiting[next(iter(shares))]
            row = min(rows, key=lambda row: (-row.execution.priority, *_age(row.execution)))
            rows.remove(row)
            claimed.append(self._claim(row, worker, lease_s, starts))
        return claimed

    def claim(
        self, execution_id: ExecutionId, worker: str, lease_s: float, *, starts: bool = False
    ) -> Execution | None:
        """Claim this execution, if it is waiting."""
        row = self._open_to(ExecutionTrigger.CLAIM, execution_id)
        if row is None or not share(self._load(row.tenant), 1):
            return None
        return self._claim(row, worker, lease_s, starts)

    def renew(self, worker: str, held: Collection[ExecutionId], lease_s: float) -> set[ExecutionId]:
        """Renew the leases of a worker's executions; return the ones that it still holds."""
        found = (self._held(ExecutionTrigger.RENEW, execution_id, worker) for execution_id in held)
        kept = [row for row in found if row is not None]
        for row in kept:
            self._lease(row, ExecutionTrigger.RENEW, row.execution, lease_s)
        return {row.execution.id for row in kept}

    def mark_started(self, execution_id: ExecutionId, worker: str) -> datetime | None:
        """Record the start of the program; return its time, or None if the worker no longer holds it."""
        row = self._held(ExecutionTrigger.PROGRESS, execution_id, worker)
        if row is None:
            return None
        started_at = row.execution.started_at or row.execution.not_before(self._now())
        self._change(row, ExecutionTrigger.PROGRESS, replace(row.execution, started_at=started_at))
        return started_at

    def mark_building(self, execution_id: ExecutionId, worker: str) -> None:
        """Record that the compiler has started, if the worker still holds the execution."""
        row = self._held(ExecutionTrigger.PROGRESS, execution_id, worker)
        if row is not None:
            building_at = row.execution.not_before(self._now())
            self._change(row, ExecutionTrigger.PROGRESS, replace(row.execution, building_at=building_at))

    def set_notes(self, execution_id: ExecutionId, worker: str, notes: Sequence[Note]) -> None:
        """Record notes before the end, if the worker still holds the execution."""
        row = self._held(ExecutionTrigger.PROGRESS, execution_id, worker)
        if row is not None:
            self._change(row, ExecutionTrigger.PROGRESS, replace(row.execution, notes=tuple(notes)))

    def unmark_started(self, execution_id: ExecutionId, worker: str) -> None:
        """Record that the program did not start after all, if the worker still holds the execution."""
        row = self._held(ExecutionTrigger.PROGRESS, execution_id, worker)
        if row is not None:
            self._change(row, ExecutionTrigger.PROGRESS, replace(row.execution, started_at=None))

    def delegate(self, execution_id: ExecutionId, worker: str, engine: str, lease_s: float) -> bool:
        """Transfer the claim to the engine; return whether the worker still held it."""
        row = self._held(ExecutionTrigger.DELEGATE, execution_id, worker)
        if row is not None:
            self._lease(row, ExecutionTrigger.DELEGATE, replace(row.execution, claimed_by=engine), lease_s)
        return row is not None

    def await_storage(self, execution_id: ExecutionId, holder: str, lease_s: float) -> bool:
        """Transfer the claim to `holder` with a new lease; return whether the execution was claimed."""
        row = self._open_to(ExecutionTrigger.AWAIT_STORAGE, execution_id)
        if row is None or not self._is_current(row.execution):
            return False
        self._lease(row, ExecutionTrigger.AWAIT_STORAGE, replace(row.execution, claimed_by=holder), lease_s)
        return True

    def awaiting_storage(self) -> int:
        """Return the number of executions with spooled results."""
        return sum(row.execution.state is ExecutionState.SPOOLED for row in self._rows.values())

    def end(
        self, execution_id: ExecutionId, result: ExecutionResult | None, now: datetime, log_bytes: int = 0
    ) -> bool:
        """Record the end, and the result if there is one; return False if they were already recorded."""
        trigger = ExecutionTrigger.END if result is None else ExecutionTrigger.COMPLETE
        row = self._open_to(trigger, execution_id)
        if row is not None:
            execution = row.execution
            ended = replace(execution, ended_at=execution.ended_at or now, result=execution.result or result)
            if execution.result is None and result is not None:
                row = replace(row, log_bytes=log_bytes)
            self._change(row, trigger, ended)
        return row is not None and (result is None or row.execution.result is None)

    def expire_lease(self, execution_id: ExecutionId, now: datetime) -> bool:
        """End a claimed execution whose lease has expired; return whether it had."""
        row = self._open_to(ExecutionTrigger.EXPIRE, execution_id)
        if row is None or not self._is_overdue(row):
            return False
        self._change(row, ExecutionTrigger.EXPIRE, replace(row.execution, ended_at=now))
        return True

    def orphaned(self, limit: int) -> Sequence[Execution]:
        """Return claimed executions whose leases have expired, oldest first."""
        return _oldest(limit, (row for row in self._rows.values() if self._is_overdue(row)))

    def waiting(
        self, longer_than_s: float, limit: int, queues: Collection[str] | None = None
    ) -> Mapping[ExecutionId, JobId]:
        """Return executions that have waited longer than this, oldest first, with their jobs."""
        now = self._now()
        rows = (row for row in self._waiting(queues) if share(self._load(row.tenant), 1))
        found = _oldest(limit, (row for row in rows if is_older(row.waiting_since, longer_than_s, now)))
        return {execution.id: execution.job_id for execution in found}

    def count_running(self, tenant: TenantName) -> int:
        """Return the number of running executions of a tenant."""
        rows = (row for row in self._rows.values() if row.tenant == tenant)
        return sum(row.execution.state in _RUNNING for row in rows)

    def count_waiting(self, tenant: TenantName, at_most: int) -> int:
        """Return the number of waiting and postponed executions of a tenant, up to a limit."""
        owned = (row for row in self._rows.values() if row.tenant == tenant)
        counted = sum(row.execution.state is ExecutionState.WAITING or row.is_postponed for row in owned)
        return min(counted, at_most)

    def defer(
        self,
        claimed: Execution,
        worker: str,
        within_s: float | None,
        queue: str | None = None,
        delay_s: float = 0.0,
    ) -> bool:
        """Put a claimed execution back in the queue, unless it was first put back longer ago than this."""
        trigger = ExecutionTrigger.POSTPONE if delay_s and within_s is not None else ExecutionTrigger.DEFER
        row, now = self._held(trigger, claimed.id, worker), self._now()
        if row is None or row.execution.claimed_at != claimed.claimed_at:
            return False
        known = row.execution.deferred_since
        since = known
        if within_s is not None:
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
        unleased = replace(
            row, leased_at=None, lease_expires_at=None, waiting_since=now, queue=queue or row.queue
        )
        if trigger is ExecutionTrigger.POSTPONE:
            waiting = replace(waiting, delayed_until=now + timedelta(seconds=delay_s))
            unleased = replace(unleased, leased_at=now, lease_expires_at=waiting.delayed_until)
        self._change(unleased, trigger, waiting)
        return True

    def mark_deferred(self, queues: Collection[str], limit: int) -> int:
        """Record that waiting executions in these queues are deferred; return the number of new ones."""
        new = [row for row in self._waiting(queues) if row.execution.deferred_since is None][:limit]
        for row in new:
            since = max(self._now(), row.execution.requested_at)
            self._rows[row.execution.id] = replace(
                row, execution=replace(row.execution, deferred_since=since)
            )
        return len(new)

    def deferred(
        self, queues: Collection[str], longer_than_s: float, limit: int
    ) -> Mapping[ExecutionId, JobId]:
        """Return waiting executions in these queues that were deferred earlier, with their jobs."""
        latest = self._now() - timedelta(seconds=longer_than_s)
        waiting = [row.execution for row in self._waiting(queues)]
        found = [one for one in waiting if one.deferred_since is not None and one.deferred_since <= latest]
        return {execution.id: execution.job_id for execution in found[:limit]}

    def give_up(self, execution_id: ExecutionId, now: datetime) -> bool:
        """End a waiting execution; return whether it was waiting."""
        row = self._open_to(ExecutionTrigger.GIVE_UP, execution_id)
        if row is not None:
            self._change(row, ExecutionTrigger.GIVE_UP, replace(row.execution, ended_at=now))
        return row is not None

    def _due(self) -> Iterator[QueuedExecution]:
        now = self._now()
        for row in self._rows.values():
            until, since = row.lease_expires_at, row.leased_at
            is_delayed = row.execution.state is ExecutionState.DELAYED
            if not is_delayed or until is None or since is None:
                continue
            if until < now or is_from_the_future(since, now):
                yield row

    def _load(self, name: TenantName) -> Iterator[TenantLoad]:
        """Yield the load of a tenant, if it is active."""
        tenant = self._tables.tenants.get(name)
        if tenant is not None and tenant.status is TenantStatus.ACTIVE:
            yield TenantLoad(name, self.count_running(name), tenant.quota.running)

    def _waiting(self, queues: Collection[str] | None) -> Iterable[QueuedExecution]:
        waiting = [row for row in self._rows.values() if row.execution.state is ExecutionState.WAITING]
        if queues is None:
            return waiting
        jobs = self._tables.jobs
        return [
            row for row in waiting if (row.queue or jobs[row.execution.job_id].spec.language.name) in queues
        ]

    def _claim(self, row: QueuedExecution, worker: str, lease_s: float, starts: bool) -> Execution:  # noqa: FBT001
        now = row.execution.not_before(self._now())
        started_at = now if starts else None
        claimed = replace(row.execution, claimed_by=worker, claimed_at=now, started_at=started_at)
        self._lease(row, ExecutionTrigger.CLAIM, claimed, lease_s)
        return claimed

    def _lease(
        self, row: QueuedExecution, trigger: ExecutionTrigger, execution: Execution, lease_s: float
    ) -> None:
        now = self._now()
        leased = replace(row, leased_at=now, lease_expires_at=now + timedelta(seconds=lease_s))
        self._change(leased, trigger, execution)

    def _change(self, row: QueuedExecution, trigger: ExecutionTrigger, execution: Execution) -> None:
        before = self._rows[execution.id].execution.state
        assert execution.state is TRANSITIONS[before, trigger]
        self._rows[execution.id] = replace(row, execution=execution)

    def _open_to(self, trigger: ExecutionTrigger, execution_id: ExecutionId) -> QueuedExecution | None:
        """Return the row of an execution, if the trigger has an effect in its state."""
        row = self._rows.get(execution_id)
        return row if row is not None and (row.execution.state, trigger) in TRANSITIONS else None

    def _held(
        self, trigger: ExecutionTrigger, execution_id: ExecutionId, worker: str
    ) -> QueuedExecution | None:
        row = self._open_to(trigger, execution_id)
        if row is None or row.execution.claimed_by != worker or not self._is_current(row.execution):
            return None
        return row

    def _is_current(self, execution: Execution) -> bool:
        job = self._tables.jobs[execution.job_id]
        return job.status is JobStatus.RUNNING and job.current_execution_id == execution.id

    def _is_overdue(self, row: QueuedExecution) -> bool:
        if row.execution.state not in LEASED or row.leased_at is None or row.lease_expires_at is None:
            return False
        now = self._now()
        return row.lease_expires_at < now or is_from_the_future(row.leased_at, now)


def _age(execution: Execution) -> tuple[datetime, ExecutionId]:
    return execution.requested_at, execution.id


def _oldest(limit: int, rows: Iterable[QueuedExecution]) -> Sequence[Execution]:
    return sorted((row.execution for row in rows), key=_age)[:limit]
