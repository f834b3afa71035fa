"""Columns that the database returns as one JSON array.

PyMySQL reads each value of a row, and each description of a column, in Python. An array is a single value,
which msgspec decodes in C.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from adapters.sql.types import ExactText, Guid, Json, LongText, UtcDateTime, decode_json

# Columns that are selected as they are: text of any length may be larger than the server's largest packet
# once its control characters are escaped, and SQLite rounds floating-point numbers in JSON.
# Documents (`Json`) are packed: the limits of submissions bound them (by default a specification, escaped
# twice, takes less than 1 MiB), and they are ASCII without control characters, so that only their quotes and
# backslashes are escaped, as in the statement that stored them.
_APART = (LongText, sa.Double)
# JSON has no binary strings: MySQL returns `base64:type15:` and an encoding of them.
_BINARY = (ExactText, sa.LargeBinary)
# How msgspec decodes the values of a type; it decodes others as the numbers or strings that they are.
_DECODED: Mapping[type, Any] = {Guid: UUID | None, UtcDateTime: datetime | None, sa.Boolean: bool | None}


class PackedColumns:
    """Columns of a statement, most of which are selected as one JSON array.

    Attributes:
        selected: The columns for the SELECT.

    Raises:
        TypeError: A column is binary on a database.
    """

    def __init__(self, *columns: sa.Label[Any]) -> None:
        if binary := [column.name for column in columns if isinstance(column.type, _BINARY)]:
            raise TypeError(f"JSON cannot hold binary columns: {', '.join(binary)}")
        packed = [column for column in columns if not isinstance(column.type, _APART)]
        apart = [column for column in columns if isinstance(column.type, _APART)]
        array: Any = tuple[tuple(_DECODED.get(type(column.type), Any) for column in packed)]  # type: ignore[misc]  # built at run time
        self._decode = msgspec.json.Decoder(array, strict=False).decode  # booleans are 0 and 1
        self._names = [column.name for column in (*packed, *apart)]
        self._times = [column.name for column in packed if isinstance(column.type, UtcDateTime)]
        self._documents = [column.name for column in packed if isinstance(column.type, Json)]
        self.selected = (sa.func.json_array(*(column.element for column in packed)), *apart)

    def unpack(self, row: sa.Row[Any]) -> dict[str, Any]:
        """Return the values of a row by the names of the columns."""
        values = dict(zip(self._names, (*self._decode(row[0]), *row[1:]), strict=True))
        for name in self._times:
            if (time := values[name]) is not None:
                values[name] = time.replace(tzinfo=UTC)
        for name in self._documents:
            if (document := values[name]) is not None:
                values[name] = decode_json(document)
        return values
