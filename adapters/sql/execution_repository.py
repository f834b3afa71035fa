"""SQL repository of executions."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa

from adapters.sql import execution_statements as statements
from adapters.sql.commit_log import CommitProof
from adapters.sql.database_time import microseconds
from adapters.sql.driver_statements import insert_many
from adapters.sql.errors import inserted
from adapters.sql.fair_claim import FairClaim
from adapters.sql.mapping import execution_values, result_values, to_claimed, to_execution
from adapters.sql.tables import executions
from application.ports.execution_repository import ExecutionRepository
from domain.execution import Execution, ExecutionResult, Note
from domain.job import Job
from domain.tenant import TenantName
from domain.values import ExecutionId, JobId


class SqlExecutionRepository(ExecutionRepository):
    """Repository of executions: the queue of waiting ones, and a record of every attempt.

    Attributes:
        proof: The proof of the commit; None unless the transaction has claimed an execution.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.proof: CommitProof | None = None

    def add(self, job: Job, execution: Execution, delay_s: float = 0.0) -> None:
        """Store a new execution, waiting or delayed, unless it is stored already."""
        if not inserted(
            lambda: insert_many(self._connection, executions, [execution_values(job, execution)])
        ):
            return
        if delay_s:
            self._change(statements.DELAY, id=execution.id, lease_us=microseconds(delay_s))

    def add_all(self, started: Sequence[tuple[Job, Execution]]) -> None:
        """Store new executions in one statement, or one by one if some are stored already."""
        if not inserted(
            lambda: insert_many(self._connection, executions, [execution_values(*one) for one in started])
        ):
            for job, execution in started:
                self.add(job, execution)

    def release(self, limit: int) -> Sequence[ExecutionId]:
        """Move executions whose delay is over to waiting. Concurrent processes take different ones."""
        due = sorted(self._connection.execute(statements.DUE, {"limit": limit}).scalars())
        if due:
            self._connection.execute(statements.RELEASE, {"ids": due})
        return due

    def release_one(self, execution_id: ExecutionId) -> bool:
        """Move an execution to waiting if its delay is over; return whether it was moved."""
        return self._change(statements.RELEASE_ONE, id=execution_id)

    def has_due(self) -> bool:
        """Return whether there is a delayed execution whose delay is over."""
        return bool(self._connection.execute(statements.HAS_DUE).scalar_one())

    def get(self, execution_id: ExecutionId) -> Execution | None:
        """Return the execution with an id, or None."""
        row = self._connection.execute(statements.GET, {"id": execution_id}).mappings().first()
        return None if row is None else to_execution(row)

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
        """Claim waiting executions, fairly between tenants: each tenant's most urgent and oldest first."""
        rows = FairClaim(self._connection, queues, after.value if after else "").next(limit)
        return self._claim(rows, worker, lease_s, starts)

    def claim(
        self, execution_id: ExecutionId, worker: str, lease_s: float, *, starts: bool = False
    ) -> Execution | None:
        """Claim an execution if it waits and its tenant is not held back."""
        tenant = self._connection.execute(statements.TENANT, {"id": execution_id}).scalar()
        if tenant is None or not FairClaim(self._connection).allows(tenant):
            return None
        rows = self._connection.execute(statements.THIS, {"id": execution_id}).mappings().all()
        return next(iter(self._claim(rows, worker, lease_s, starts)), None)

    def renew(self, worker: str, held: Collection[ExecutionId], lease_s: float) -> set[ExecutionId]:
        """Renew the leases of a worker's executions; return the executions that it still holds."""
        if not held:
            return set()
        whose = {"ids": sorted(held), "worker": worker}
        self._connection.execute(statements.RENEW, {**whose, "lease_us": microseconds(lease_s)})
        return set(self._connection.execute(statements.HELD, whose).scalars())

    def mark_started(self, execution_id: ExecutionId, worker: str) -> datetime | None:
        """Record the start of the program; return its time, or None if the worker has lost the claim."""
        if not self._change(statements.MARK_STARTED, id=execution_id, worker=worker):
            return None
        started_at: datetime = self._connection.execute(statements.START, {"id": execution_id}).scalar_one()
        return started_at

    def mark_building(self, execution_id: ExecutionId, worker: str) -> None:
        """Record that the build has started, if the worker still holds the execution."""
        self._change(statements.MARK_BUILDING, id=execution_id, worker=worker)

    def set_notes(self, execution_id: ExecutionId, worker: str, notes: Sequence[Note]) -> None:
        """Record notes from before the end, if the worker still holds the execution."""
        self._change(statements.SET_NOTES, id=execution_id, worker=worker, new_notes=list(notes))

    def unmark_started(self, execution_id: ExecutionId, worker: str) -> None:
        """Undo the recorded start of the program, if the worker still holds the execution."""
        self._change(statements.UNMARK_STARTED, id=execution_id, worker=worker)

    def delegate(self, execution_id: ExecutionId, worker: str, engine: str, lease_s: float) -> bool:
        """Transfer the claim to the engine; return whether the worker still held it."""
        return self._change(
            statements.DELEGATE,
            id=execution_id,
            worker=worker,
            engine=engine,
            lease_us=microseconds(lease_s),
        )

    def await_storage(self, execution_id: ExecutionId, holder: str, lease_s: float) -> bool:
        """Transfer the claim to `holder`, with a new lease; return whether the execution was claimed."""
        return self._change(
            statements.AWAIT_STORAGE, id=execution_id, holder=holder, lease_us=microseconds(lease_s)
        )

    def awaiting_storage(self) -> int:
        """Return the number of spooled executions, whose logs are not stored yet."""
        return self._connection.execute(statements.AWAITING_STORAGE).scalar_one()

    def end(
        self, execution_id: ExecutionId, result: ExecutionResult | None, now: datetime, log_bytes: int = 0
    ) -> bool:
        """Record the end, and the result if there is one; return False if it was recorded already."""
        if result is None:
            return self._change(statements.END, id=execution_id, now=now)
        new = {f"new_{name}": value for name, value in result_values(result).items()}
        return self._change(
            statements.END_WITH_RESULT, id=execution_id, now=now, new_log_bytes=log_bytes, **new
        )

    def expire_lease(self, execution_id: ExecutionId, now: datetime) -> bool:
        """End a claimed execution whose lease has expired; return whether there was one."""
        return self._change(statements.EXPIRE_LEASE, id=execution_id, now=now)

    def orphaned(self, limit: int) -> Sequence[Execution]:
        """Return claimed executions whose lease has expired, oldest first."""
        rows = self._connection.execute(statements.ORPHANED, {"limit": limit}).mappings()
        return [to_execution(row) for row in rows]

    def waiting(
        self, longer_than_s: float, limit: int, queues: Collection[str] | None = None
    ) -> Mapping[ExecutionId, JobId]:
        """Return executions that have waited longer than a time, oldest first, with their jobs."""
        held_back = FairClaim(self._connection).held_back()
        offset_us = -microseconds(longer_than_s)
        wanted: dict[str, object] = {"offset_us": offset_us, "limit": limit, "held_back": sorted(held_back)}
        if queues is None:
            return self._jobs_of(statements.WAITING, wanted)
        return self._jobs_of(statements.WAITING_IN, {**wanted, "queues": sorted(queues)})

    def count_running(self, tenant: TenantName) -> int:
        """Return the number of a tenant's running executions."""
        return FairClaim(self._connection).running(tenant.value)

    def count_waiting(self, tenant: TenantName, at_most: int) -> int:
        """Return the number of a tenant's waiting and postponed executions, up to a bound."""
        wanted = {"owner": tenant.value, "limit": at_most}
        return min(self._connection.execute(statements.COUNT_WAITING, wanted).scalar_one(), at_most)

    def defer(
        self,
        claimed: Execution,
        worker: str,
        within_s: float | None,
        queue: str | None = None,
        delay_s: float = 0.0,
    ) -> bool:
        """Requeue a claimed execution, unless it was first deferred more than `within_s` seconds ago."""
        held = {"id": claimed.id, "worker": worker, "since": claimed.claimed_at, "queue": queue}
        if within_s is None:
            return self._change(statements.LEAVE_TO_OTHERS, **held)
        held["offset_us"] = -microseconds(within_s)
        if delay_s:
            return self._change(statements.POSTPONE, **held, lease_us=microseconds(delay_s))
        return self._change(statements.DEFER, **held)

    def mark_deferred(self, queues: Collection[str], limit: int) -> int:
        """Mark waiting executions in some queues as deferred; return the number of newly marked ones."""
        wanted = {"queues": sorted(queues), "limit": limit}
        ids = self._connection.execute(statements.NOT_DEFERRED, wanted).scalars().all()
        if not ids:
            return 0
        return self._connection.execute(statements.MARK_DEFERRED, {"ids": sorted(ids)}).rowcount

    def deferred(
        self, queues: Collection[str], longer_than_s: float, limit: int
    ) -> Mapping[ExecutionId, JobId]:
        """Return waiting executions in some queues that were deferred longer ago, with their jobs."""
        offset_us = -microseconds(longer_than_s)
        wanted = {"queues": sorted(queues), "offset_us": offset_us, "limit": limit}
        return self._jobs_of(statements.DEFERRED, wanted)

    def give_up(self, execution_id: ExecutionId, now: datetime) -> bool:
        """End a waiting execution; return whether it was waiting."""
        return self._change(statements.GIVE_UP, id=execution_id, now=now)

    def _jobs_of(
        self, statement: sa.Select[Any], wanted: Mapping[str, object]
    ) -> Mapping[ExecutionId, JobId]:
        return {row.execution_id: row.job_id for row in self._connection.execute(statement, wanted)}

    def _change(self, statement: sa.Update, **parameters: object) -> bool:
        return self._connection.execute(statement, parameters).rowcount == 1

    def _claim(
        self,
        rows: Sequence[sa.RowMapping],
        worker: str,
        lease_s: float,
        starts: bool,  # noqa: FBT001 - the methods above name it
    ) -> Sequence[Execution]:
        if not rows:
            return []
        now: datetime = rows[0]["now"]
        started_at = now if starts else None
        claimed = [to_claimed(row, worker, now, started_at) for row in rows]
        self._connection.execute(
            statements.CLAIM,
            {
                "ids": [execution.id for execution in claimed],
                "worker": worker,
                "now": now,
                "start": started_at,
                "lease_us": microseconds(lease_s),
            },
        )
        self.proof = partial(is_claimed, execution=claimed[0])
        return claimed


def is_claimed(connection: sa.Connection, execution: Execution) -> bool:
    """Return whether a claim was committed; wait for its transaction to end first.

    Worker and time identify the claim: a worker never claims an execution twice at the same time.
    """
    claim = {"id": execution.id, "worker": execution.claimed_by, "since": execution.claimed_at}
    return connection.execute(statements.CLAIMED, claim).first() is not None
