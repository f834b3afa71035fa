"""The repository of executions, in SQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa

from adapters.sql import execution_statements as statements
from adapters.sql.commit_log import CommitProof
from adapters.sql.database_time import microseconds
from adapters.sql.driver_statements import insert_many
from adapters.sql.errors import is_duplicate
from adapters.sql.fair_claim import FairClaim
from adapters.sql.mapping import execution_values, result_values, to_claimed, to_execution
from adapters.sql.tables import executions
from application.ports.execution_repository import ExecutionRepository
from domain.execution import Execution, ExecutionResult, Note
from domain.job import Job
from domain.tenant import TenantName
from domain.values import ExecutionId, JobId


class SqlExecutionRepository(ExecutionRepository):
    """The executions: a queue, and a record of every attempt.

    Attributes:
        proof: The proof of the commit, if the transaction has claimed an execution.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.proof: CommitProof | None = None

    def add(self, job: Job, execution: Execution, delay_s: float = 0.0) -> None:
        """Store a new execution, waiting or delayed; one that is stored already stays as it is."""
        try:
            insert_many(self._connection, executions, [execution_values(job, execution)])
        except sa.exc.IntegrityError as error:
            if not is_duplicate(error):
                raise
            return
        if delay_s:
            self._change(statements.DELAY, id=execution.id, lease_us=microseconds(delay_s))

    def add_all(self, started: Sequence[tuple[Job, Execution]]) -> None:
        """Store new executions in one statement, or one by one if some are stored already."""
        try:
            insert_many(self._connection, executions, [execution_values(*one) for one in started])
        except sa.exc.IntegrityError as error:
            if not is_duplicate(error):
                raise
            for job, execution in started:
                self.add(job, execution)

    def release(self, limit: int) -> Sequence[ExecutionId]:
        """Have executions wait whose delay is over; of several processes, each takes other ones."""
        due = sorted(self._connection.execute(statements.DUE, {"limit": limit}).scalars())
        if due:
            self._connection.execute(statements.RELEASE, {"ids": due})
        return due

    def has_due(self) -> bool:
        """Return whether the delay of an execution is over."""
        return bool(self._connection.execute(statements.HAS_DUE).scalar_one())

    def get(self, execution_id: ExecutionId) -> Execution | None:
        """Return an execution, or None if there is none of that id."""
        row = self._connection.execute(statements.GET, {"id": execution_id}).mappings().first()
        return None if row is None else to_execution(row)

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
        """Claim waiting executions, fairly between tenants; of each tenant the most urgent and the oldest."""
        rows = FairClaim(self._connection, languages, after.value if after else "").next(limit)
        return self._claim(rows, worker, lease_s, starts)

    def claim(
        self, execution_id: ExecutionId, worker: str, lease_s: float, *, starts: bool = False
    ) -> Execution | None:
        """Claim this execution, if it waits and its tenant may have it run."""
        tenant = self._connection.execute(statements.TENANT, {"id": execution_id}).scalar()
        if tenant is None or not FairClaim(self._connection).allows(tenant):
            return None
        rows = self._connection.execute(statements.THIS, {"id": execution_id}).mappings().all()
        return next(iter(self._claim(rows, worker, lease_s, starts)), None)

    def renew(self, worker: str, held: Collection[ExecutionId], lease_s: float) -> set[ExecutionId]:
        """Extend the leases of a worker's executions; return the ones that it still holds."""
        if not held:
            return set()
        whose = {"ids": sorted(held), "worker": worker}
        self._connection.execute(statements.RENEW, {**whose, "lease_us": microseconds(lease_s)})
        return set(self._connection.execute(statements.HELD, whose).scalars())

    def mark_started(self, execution_id: ExecutionId, worker: str) -> datetime | None:
        """Record the start of the program; return its time, None if the worker does not hold it any more."""
        if not self._change(statements.MARK_STARTED, id=execution_id, worker=worker):
            return None
        started_at: datetime = self._connection.execute(statements.START, {"id": execution_id}).scalar_one()
        return started_at

    def mark_building(self, execution_id: ExecutionId, worker: str) -> None:
        """Record that the compiler has been started, if the worker still holds the execution."""
        self._change(statements.MARK_BUILDING, id=execution_id, worker=worker)

    def set_notes(self, execution_id: ExecutionId, worker: str, notes: Sequence[Note]) -> None:
        """Record the remarks from before the end, if the worker still holds the execution."""
        self._change(statements.SET_NOTES, id=execution_id, worker=worker, new_notes=list(notes))

    def unmark_started(self, execution_id: ExecutionId, worker: str) -> None:
        """Record that the program has not started after all, if the worker still holds the execution."""
        self._change(statements.UNMARK_STARTED, id=execution_id, worker=worker)

    def delegate(self, execution_id: ExecutionId, worker: str, engine: str, lease_s: float) -> bool:
        """Make the claim the engine's; return whether the worker still held it."""
        return self._change(
            statements.DELEGATE,
            id=execution_id,
            worker=worker,
            engine=engine,
            lease_us=microseconds(lease_s),
        )

    def await_storage(self, execution_id: ExecutionId, holder: str, lease_s: float) -> bool:
        """Make the claim `holder`'s, with a lease of its own; return whether the execution was claimed."""
        return self._change(
            statements.AWAIT_STORAGE, id=execution_id, holder=holder, lease_us=microseconds(lease_s)
        )

    def awaiting_storage(self) -> int:
        """Return how many executions have a result that is kept until their logs are stored."""
        return self._connection.execute(statements.AWAITING_STORAGE).scalar_one()

    def end(
        self, execution_id: ExecutionId, result: ExecutionResult | None, now: datetime, log_bytes: int = 0
    ) -> bool:
        """Record the end, and the result if there is one; return False if they are recorded already."""
        if result is None:
            return self._change(statements.END, id=execution_id, now=now)
        new = {f"new_{name}": value for name, value in result_values(result).items()}
        return self._change(
            statements.END_WITH_RESULT, id=execution_id, now=now, new_log_bytes=log_bytes, **new
        )

    def expire_lease(self, execution_id: ExecutionId, now: datetime) -> bool:
        """End a claimed execution whose lease has run out; return whether it was so."""
        return self._change(statements.EXPIRE_LEASE, id=execution_id, now=now)

    def orphaned(self, limit: int) -> Sequence[Execution]:
        """Return claimed executions whose lease has run out, the oldest first."""
        rows = self._connection.execute(statements.ORPHANED, {"limit": limit}).mappings()
        return [to_execution(row) for row in rows]

    def waiting(
        self, longer_than_s: float, limit: int, languages: Collection[str] | None = None
    ) -> Mapping[ExecutionId, JobId]:
        """Return executions that have waited longer than that, the oldest first, and their jobs."""
        held_back = FairClaim(self._connection).held_back()
        offset_us = -microseconds(longer_than_s)
        wanted: dict[str, object] = {"offset_us": offset_us, "limit": limit, "held_back": sorted(held_back)}
        if languages is None:
            return self._jobs_of(statements.WAITING, wanted)
        return self._jobs_of(statements.WAITING_IN, {**wanted, "languages": sorted(languages)})

    def count_running(self, tenant: TenantName) -> int:
        """Return how many executions of a tenant run."""
        return FairClaim(self._connection).running(tenant.value)

    def count_waiting(self, tenant: TenantName, at_most: int) -> int:
        """Return how many executions of a tenant wait, from an index, up to a bound."""
        wanted = {"owner": tenant.value, "limit": at_most}
        return self._connection.execute(statements.COUNT_WAITING, wanted).scalar_one()

    def defer(
        self, claimed: Execution, worker: str, within_s: float | None, queue: str | None = None
    ) -> bool:
        """Put a claimed execution back in the queue, unless it was put back first longer ago than that."""
        held = {"id": claimed.id, "worker": worker, "since": claimed.claimed_at, "queue": queue}
        if within_s is None:
            return self._change(statements.LEAVE_TO_OTHERS, **held)
        return self._change(statements.DEFER, **held, offset_us=-microseconds(within_s))

    def mark_deferred(self, languages: Collection[str], limit: int) -> int:
        """Mark waiting executions in these languages as deferred; return how many were not before."""
        wanted = {"languages": sorted(languages), "limit": limit}
        ids = self._connection.execute(statements.NOT_DEFERRED, wanted).scalars().all()
        if not ids:
            return 0
        return self._connection.execute(statements.MARK_DEFERRED, {"ids": sorted(ids)}).rowcount

    def deferred(
        self, languages: Collection[str], longer_than_s: float, limit: int
    ) -> Mapping[ExecutionId, JobId]:
        """Return waiting executions in these languages that were deferred longer ago, and their jobs."""
        offset_us = -microseconds(longer_than_s)
        wanted = {"languages": sorted(languages), "offset_us": offset_us, "limit": limit}
        return self._jobs_of(statements.DEFERRED, wanted)

    def give_up(self, execution_id: ExecutionId, now: datetime) -> bool:
        """End a waiting execution; return whether it was one."""
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
    """Return whether a claim was committed; a transaction that has not ended is waited for.

    A worker never claims an execution twice at the same time.
    """
    claim = {"id": execution.id, "worker": execution.claimed_by, "since": execution.claimed_at}
    return connection.execute(statements.CLAIMED, claim).first() is not None
