"""Many columns of a row as one.

PyMySQL reads a row field by field in Python, which is most of what a list of a hundred jobs costs. As one
JSON array, written by the database and read by Python's C decoder, the same row costs a quarter.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from adapters.sql.types import Guid, Json, UtcDateTime

Parser = Callable[[Any], object]

# Control characters come as they are. `json.loads` would build a decoder for each row.
_decode = json.JSONDecoder(strict=False).decode
_LENGTH_WITHOUT_ZONE = len("2026-01-01T00:00:00.000000")


def packed(columns: Sequence[sa.ColumnElement[Any]]) -> sa.ColumnElement[list[Any]]:
    """Return the expression for a list of the columns' values, each as its own type would read it."""
    parsers = tuple(
        (index, _PARSERS[type(column.type)])
        for index, column in enumerate(columns)
        if type(column.type) in _PARSERS
    )
    return sa.func.json_array(*columns, type_=_Packed(parsers))


class Read:
    """A SELECT of many columns. Only SQLite's driver reads fields in C; elsewhere they come packed.

    Text in JSON can take six times its bytes, and a document that is larger than the database's largest
    packet is NULL: then the columns are read once more, each by itself.

    Args:
        columns: What is read.
        apart: Those of the columns that come by themselves in any case, for their text may be of any length.
        complete: Says where the rows are from, and which.
    """

    def __init__(
        self,
        columns: Sequence[sa.ColumnElement[Any]],
        apart: Collection[sa.ColumnElement[Any]],
        complete: Callable[[sa.Select[Any]], sa.Select[Any]],
    ) -> None:
        alone = [column for column in columns if any(column is one for one in apart)]
        together = [column for column in columns if all(column is not one for one in apart)]
        places = {id(column): place for place, column in enumerate([*together, *alone])}
        self._in_order = itemgetter(*(places[id(column)] for column in columns))
        self._plain = complete(sa.select(*columns))
        self._packed = complete(sa.select(packed(together), *alone))

    def rows(self, connection: sa.Connection, parameters: Mapping[str, object]) -> list[Sequence[Any]]:
        """Return the rows, with the values of the columns in their order."""
        if connection.dialect.name != "sqlite":
            found = connection.execute(self._packed, parameters).all()
            if are_whole(found):
                return [self._in_order((*values, *alone)) for values, *alone in found]
        return list(connection.execute(self._plain, parameters))

    def first(self, connection: sa.Connection, parameters: Mapping[str, object]) -> Sequence[Any] | None:
        """Return the first row, or None if there is none."""
        return next(iter(self.rows(connection, parameters)), None)


def are_whole(rows: Iterable[Sequence[Any]]) -> bool:
    """Whether each row begins with what was packed, and not with NULL, as it does if that was too large."""
    return all(row[0] is not None for row in rows)


class _Packed(TypeDecorator[list[Any]]):
    """A JSON array whose values are parsed by their positions, as far as they need it."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, parsers: tuple[tuple[int, Parser], ...]) -> None:
        super().__init__()
        self.parsers = parsers

    def process_result_value(self, value: str | None, dialect: Dialect) -> list[Any] | None:  # noqa: ARG002 (SQLAlchemy's)
        """Read the values."""
        if value is None:
            return None
        values: list[Any] = _decode(value)
        for index, parse in self.parsers:
            found = values[index]
            if found is not None:
                values[index] = parse(found)
        return values


def _parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text[:_LENGTH_WITHOUT_ZONE]).replace(tzinfo=UTC)


_PARSERS: dict[type[Any], Parser] = {
    Guid: UUID,
    UtcDateTime: _parse_time,
    Json: _decode,
    sa.Boolean: bool,
    sa.Double: float,
}
