"""The heartbeats of processes, in SQL."""

from datetime import datetime

import sqlalchemy as sa

from adapters.sql.database_time import database_time, microseconds
from adapters.sql.tables import heartbeats
from application.ports.heartbeats import Heartbeats

_KEPT_S = 24 * 3_600

_is_its_own = heartbeats.c.process == sa.bindparam("name")
_BEAT = sa.update(heartbeats).where(_is_its_own).values(beat_at=database_time())
_FIRST_BEAT = sa.insert(heartbeats).values(process=sa.bindparam("name"), beat_at=database_time())
_READ = sa.select(heartbeats.c.beat_at).where(_is_its_own)
_FORGET = sa.delete(heartbeats).where(
    heartbeats.c.beat_at < database_time(sa.bindparam("offset_us", type_=sa.BigInteger))
)


class SqlHeartbeats(Heartbeats):
    """The heartbeats, one row per process. A new process removes rows without a beat for a day."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def beat(self, process: str) -> datetime:
        """Record that a process can write; return the database's time."""
        name = {"name": process}
        if self._connection.execute(_BEAT, name).rowcount == 0:
            self._connection.execute(_FORGET, {"offset_us": -microseconds(_KEPT_S)})
            self._connection.execute(_FIRST_BEAT, name)
        beat_at: datetime = self._connection.execute(_READ, name).scalar_one()
        return beat_at
