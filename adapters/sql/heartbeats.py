"""SQL heartbeats of processes."""

from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa

from adapters.sql.database_time import database_time, microseconds
from adapters.sql.tables import heartbeats
from adapters.sql.types import Json
from application.ports.heartbeats import Heartbeats

_KEPT_S = 24 * 3_600

_is_its_own = heartbeats.c.process == sa.bindparam("name")
_queues = sa.bindparam("served", type_=Json())
_BEAT = sa.update(heartbeats).where(_is_its_own).values(beat_at=database_time(), queues=_queues)
_FIRST_BEAT = sa.insert(heartbeats).values(
    process=sa.bindparam("name"), beat_at=database_time(), queues=_queues
)
_offset = database_time(sa.bindparam("offset_us", type_=sa.BigInteger))
_READ = sa.select(heartbeats.c.beat_at).where(_is_its_own)
_FORGET = sa.delete(heartbeats).where(heartbeats.c.beat_at < _offset)
_SERVED = sa.select(heartbeats.c.queues).where(heartbeats.c.beat_at >= _offset, sa.not_(_is_its_own))

_ALIVE = sa.select(heartbeats.c.process, heartbeats.c.queues).where(heartbeats.c.beat_at >= _offset)


class SqlHeartbeats(Heartbeats):
    """Heartbeats, one row per process. A new process removes rows without a heartbeat for a day."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def beat(self, process: str, queues: Collection[str] = ()) -> datetime:
        """Record a process's heartbeat and the queues that it serves; return the database's time."""
        name = {"name": process}
        row = {**name, "served": sorted(queues)}
        if self._connection.execute(_BEAT, row).rowcount == 0:
            self._connection.execute(_FORGET, {"offset_us": -microseconds(_KEPT_S)})
            self._connection.execute(_FIRST_BEAT, row)
        beat_at: datetime = self._connection.execute(_READ, name).scalar_one()
        return beat_at

    def workers(self, within_s: float) -> Mapping[str, frozenset[str]]:
        """Return the queues of each process with a heartbeat within `within_s`, by the process's name."""
        rows = self._connection.execute(_ALIVE, {"offset_us": -microseconds(within_s)})
        return {process: frozenset(queues or ()) for process, queues in rows}

    def served(self, within_s: float, besides: str) -> frozenset[str]:
        """Return the queues served by processes with a heartbeat within `within_s`, except one process."""
        wanted = {"name": besides, "offset_us": -microseconds(within_s)}
        rows = self._connection.execute(_SERVED, wanted).scalars()
        return frozenset(queue for queues in rows for queue in queues or ())
