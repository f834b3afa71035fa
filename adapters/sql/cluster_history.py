"""SQL history of the queue and of the machines."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from adapters.sql.database_time import database_time
from adapters.sql.errors import inserted
from adapters.sql.tables import cluster_history
from application.ports.cluster_history import ClusterHistory, ClusterSample, HistoryStep

_FIGURES = tuple(field.name for field in fields(ClusterSample))
_MINUTE_S = 60

_is_of_step = cluster_history.c.step_s == sa.bindparam("step")
_begin = sa.bindparam("begin", type_=cluster_history.c.begin_at.type)
_is_it = sa.and_(_is_of_step, cluster_history.c.begin_at == _begin)
_columns = tuple(cluster_history.c[name] for name in _FIGURES)
_NOW = sa.select(database_time())
_HAS = sa.select(sa.exists(sa.select(cluster_history.c.step_s).where(_is_it)))
_ADD = sa.insert(cluster_history)
_GET = sa.select(*_columns).where(_is_it).with_for_update()
_REPLACE = (
    sa.update(cluster_history).where(_is_it).values({name: sa.bindparam(f"new_{name}") for name in _FIGURES})
)
_FORGET = sa.delete(cluster_history).where(_is_of_step, cluster_history.c.begin_at < _begin)
_READ = (
    sa.select(cluster_history.c.begin_at, *_columns)
    .where(
        _is_of_step,
        cluster_history.c.begin_at >= _begin,
        cluster_history.c.begin_at < sa.bindparam("end", type_=cluster_history.c.begin_at.type),
    )
    .order_by(cluster_history.c.begin_at)
)


class SqlClusterHistory(ClusterHistory):
    """History with one row per step and interval. Only one transaction can add the row of a minute."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def missing_minute(self, began_s: float = 0.0) -> datetime | None:
        """Return the start of the current minute, if it has no sample and began `began_s` seconds ago."""
        now: datetime = self._connection.execute(_NOW).scalar_one()
        minute = now.replace(second=0, microsecond=0)
        if (now - minute).total_seconds() < began_s:
            return None
        has_sample = self._connection.execute(_HAS, {"step": _MINUTE_S, "begin": minute}).scalar_one()
        return None if has_sample else minute

    def add(self, minute: datetime, sample: ClusterSample, steps: Sequence[HistoryStep]) -> bool:
        """Store the sample of a minute, and merge it into the rows of longer steps."""
        shortest, *longer = steps
        if not inserted(lambda: self._insert(shortest.seconds, minute, sample)):
            return False
        for step in longer:
            self._merge(step.seconds, step.begin_of(minute), sample)
        for step in steps:
            self._connection.execute(_FORGET, {"step": step.seconds, "begin": minute - step.kept})
        return True

    def read(self, step_s: int, since: datetime, until: datetime) -> Sequence[tuple[datetime, ClusterSample]]:
        """Return the samples of a step that start within a time range, with their start times, ascending."""
        rows = self._connection.execute(_READ, {"step": step_s, "begin": since, "end": until})
        return [(row.begin_at, _sample(row)) for row in rows]

    def _merge(self, step_s: int, begin: datetime, sample: ClusterSample) -> None:
        found = self._connection.execute(_GET, {"step": step_s, "begin": begin}).first()
        if found is None:
            self._insert(step_s, begin, sample)
            return
        merged = {f"new_{name}": value for name, value in asdict(_sample(found).merged(sample)).items()}
        self._connection.execute(_REPLACE, {"step": step_s, "begin": begin, **merged})

    def _insert(self, step_s: int, begin: datetime, sample: ClusterSample) -> None:
        self._connection.execute(_ADD, {"step_s": step_s, "begin_at": begin, **asdict(sample)})


def _sample(row: sa.Row[Any]) -> ClusterSample:
    return ClusterSample(**{name: getattr(row, name) for name in _FIGURES})
