"""Log of committed transactions, used to find out whether a commit without an answer took effect.

A transaction that has inserted a row with a unique id needs no log entry: that row is the proof.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID, uuid4

import sqlalchemy as sa

from adapters.sql.database_time import database_time, microseconds
from adapters.sql.tables import commits

# Returns, on another connection, whether a transaction was committed; waits for it to end first.
CommitProof: TypeAlias = Callable[[sa.Connection], bool]

_KEPT_S = 24 * 3_600
_MAX_REMOVED = 1_000

_has_slot = commits.c.slot == sa.bindparam("of_slot", type_=commits.c.slot.type)
_id = sa.bindparam("id", type_=commits.c.transaction_id.type)
_UPDATE = sa.update(commits).where(_has_slot).values(transaction_id=_id, written_at=database_time())
_INSERT = sa.insert(commits).values(
    slot=sa.bindparam("of_slot", type_=commits.c.slot.type), transaction_id=_id, written_at=database_time()
)
# The lock waits for a transaction that has not ended yet.
_READ = sa.select(commits.c.transaction_id).where(_has_slot).with_for_update()
_UNUSED = (
    sa.select(commits.c.slot)
    .where(commits.c.written_at < database_time(sa.bindparam("offset_us", type_=sa.BigInteger)))
    .limit(_MAX_REMOVED)
    .with_for_update(skip_locked=True)
)
_REMOVE = sa.delete(commits).where(commits.c.slot.in_(sa.bindparam("slots", expanding=True)))


@dataclass(frozen=True, slots=True)
class LogEntry:
    """The log entry of one transaction: its id, in a row that no concurrent transaction uses."""

    slot: UUID
    transaction_id: UUID

    def write(self, connection: sa.Connection) -> None:
        """Store the id within the transaction, in place of the row's previous id."""
        row = {"of_slot": self.slot, "id": self.transaction_id}
        if connection.execute(_UPDATE, row).rowcount == 0:
            self._remove_unused(connection)
            connection.execute(_INSERT, row)

    def is_committed(self, connection: sa.Connection) -> bool:
        """Return whether the transaction was committed; wait for it to end first."""
        found = connection.execute(_READ, {"of_slot": self.slot}).scalar()
        return bool(found == self.transaction_id)

    @staticmethod
    def _remove_unused(connection: sa.Connection) -> None:
        """Remove rows that were not written for a day: their processes have ended."""
        unused = connection.execute(_UNUSED, {"offset_us": -microseconds(_KEPT_S)}).scalars().all()
        if unused:
            connection.execute(_REMOVE, {"slots": sorted(unused)})


class CommitLog:
    """The log entries of this process's transactions.

    Each transaction stores its id in a row; the stored id proves that the transaction was committed.
    Transactions reuse rows, so the process needs as many rows as it has concurrent transactions.
    """

    def __init__(self) -> None:
        self._free: deque[UUID] = deque()

    @contextmanager
    def entry(self) -> Iterator[LogEntry]:
        """Provide the entry of a new transaction, reserved while its outcome may be looked up."""
        try:
            slot = self._free.pop()
        except IndexError:
            slot = uuid4()
        try:
            yield LogEntry(slot, uuid4())
        finally:
            self._free.append(slot)
