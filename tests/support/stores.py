"""All persistence adapters, with the means to inspect them and to advance their time."""

from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from adapters.sql.dashboard_queries import SqlDashboardQueries
from adapters.sql.engine import DatabaseOptions, create_engine
from adapters.sql.job_queries import SqlJobQueries
from adapters.sql.operation_queries import SqlOperationQueries
from adapters.sql.tables import (
    blobs,
    case_ranges,
    executions,
    metadata,
    outbox,
    pending_deletions,
    purges,
    tenants,
    webhook_deliveries,
)
from adapters.sql.unit_of_work import SqlUnitOfWork
from application.ports.dashboard_queries import DashboardQueries
from application.ports.job_queries import JobQueries
from application.ports.unit_of_work import UnitOfWork
from domain.tenant import DEFAULT_TENANT
from tests.support.memory.dashboard_queries import MemoryDashboardQueries
from tests.support.memory.database import MemoryDatabase
from tests.support.memory.job_queries import MemoryJobQueries
from tests.support.memory.message_relay import MemoryMessageRelay
from tests.support.memory.operation_queries import MemoryOperationQueries
from tests.support.memory.unit_of_work import MemoryUnitOfWork

# For statements that take long on a busy host.
PATIENT = DatabaseOptions(
    pool_size=16,
    pool_timeout_s=60,
    connect_timeout_s=60,
    read_timeout_s=60,
    write_timeout_s=60,
    idle_transaction_s=300,
    idle_connection_s=300,
)
# All columns that contain the database's time.
_TIMES = (
    executions.c.waiting_since,
    executions.c.leased_at,
    executions.c.lease_expires_at,
    outbox.c.added_at,
    outbox.c.taken_at,
    blobs.c.idle_since,
    case_ranges.c.leased_at,
    case_ranges.c.lease_expires_at,
    pending_deletions.c.taken_at,
    purges.c.taken_at,
    webhook_deliveries.c.due_at,
)
# The rows of each table that tests add, and whether there are any. Most tables have none, and deleting none
# costs as much as deleting some.
_ROWS = {
    table: tenants.c.tenant != DEFAULT_TENANT.value if table is tenants else sa.true()
    for table in reversed(metadata.sorted_tables)
}
_HAS_ROWS = sa.select(*(sa.exists().select_from(table).where(rows) for table, rows in _ROWS.items()))


class Store(ABC):
    """A unit of work and queries on the same data.

    Attributes:
        relay: Records the messages that are offered after commits.
    """

    unit_of_work: UnitOfWork
    queries: JobQueries
    dashboard: DashboardQueries

    def __init__(self) -> None:
        self.relay = MemoryMessageRelay()

    def run(self, work):
        """Run work in a transaction."""
        return self.unit_of_work.run(work)

    @abstractmethod
    def another(self) -> UnitOfWork:
        """Return a unit of work as in another process."""

    @abstractmethod
    def pass_time(self, seconds: float) -> None:
        """Advance the database's time."""

    @abstractmethod
    def close(self) -> None:
        """Release connections."""


class MemoryStore(Store):
    """Dictionaries, and a clock that advances by a microsecond whenever it is read."""

    def __init__(self) -> None:
        super().__init__()
        self._now = datetime(2026, 1, 1, tzinfo=UTC)
        self._database = MemoryDatabase(self._tick)
        self.unit_of_work = MemoryUnitOfWork(self._database, self.relay)
        self.queries = MemoryJobQueries(self._database)
        self.dashboard = MemoryDashboardQueries(self._database)
        self.operations = MemoryOperationQueries(self._database)

    def another(self) -> UnitOfWork:
        """Return another unit of work on the same dictionaries."""
        return MemoryUnitOfWork(self._database, self.relay)

    def pass_time(self, seconds: float) -> None:
        """Advance the time."""
        self._now += timedelta(seconds=seconds)

    def close(self) -> None:
        """Do nothing, because there are no connections."""

    def _tick(self) -> datetime:
        self._now += timedelta(microseconds=1)
        return self._now


class SqlStore(Store):
    """A database with existing tables.

    Args:
        engine: An engine for the same URL that earlier tests used, and that has compiled their statements.
            Its connections stay open for later tests.
    """

    def __init__(
        self, url: str | sa.URL, options: DatabaseOptions | None = None, engine: sa.Engine | None = None
    ) -> None:
        super().__init__()
        self._url = url
        self._options = options or PATIENT
        self._own: list[sa.Engine] = []
        self.engine = engine or self._new_engine()
        self.unit_of_work = SqlUnitOfWork(self.engine, self.relay)
        self.queries = SqlJobQueries(self.engine)
        self.dashboard = SqlDashboardQueries(self.engine)
        self.operations = SqlOperationQueries(self.engine)

    def another(self) -> UnitOfWork:
        """Return a unit of work with separate connections."""
        return SqlUnitOfWork(self._new_engine(), self.relay)

    def pass_time(self, seconds: float) -> None:
        """Move all stored times of the database back."""
        with self.engine.begin() as connection:
            for column in _TIMES:
                stored = sa.select(column).where(column.is_not(None)).distinct()
                # In the order in which no time becomes one that has yet to be moved.
                times = sorted(connection.scalars(stored), reverse=seconds < 0)
                if times:
                    moves = [{"stored": time, "moved": time - timedelta(seconds=seconds)} for time in times]
                    connection.execute(_move(column), moves)

    def empty(self) -> None:
        """Delete all rows except the default tenant's."""
        empty(self.engine)

    def close(self) -> None:
        """Close all connections of engines that were made for this store."""
        for engine in self._own:
            engine.dispose()

    def _new_engine(self) -> sa.Engine:
        engine = create_engine(self._url, self._options)
        self._own.append(engine)
        return engine


def _move(column: sa.Column[datetime]) -> sa.Update:
    stored, moved = sa.bindparam("stored", type_=column.type), sa.bindparam("moved", type_=column.type)
    return sa.update(column.table).where(column == stored).values({column: moved})


def empty(engine: sa.Engine) -> None:
    """Delete all rows of a database except the default tenant's."""
    with engine.begin() as connection:
        found = connection.execute(_HAS_ROWS).one()
        for (table, of_tests), is_found in zip(_ROWS.items(), found, strict=True):
            if is_found:
                connection.execute(sa.delete(table).where(of_tests))
