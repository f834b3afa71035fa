"""Column types that behave the same on every database.

Text is compared byte by byte: the collation is utf8mb4_bin on MySQL and BINARY on SQLite.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

BYTES_PER_CHAR = 4  # the maximum in UTF-8
T = TypeVar("T")
# Types define `result_processor` and not `process_result_value`, which SQLAlchemy would wrap in another
# function: a row has some twenty such values.
Read: TypeAlias = Callable[[Any], T | None]


def symbol(length: int) -> sa.String:
    """Build the type of a text from a fixed vocabulary: ASCII, which is compact in an index."""
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
    )


# Created once: `json.dumps` with these separators would create an encoder for each value.
encode_json = json.JSONEncoder(separators=(",", ":")).encode
_JSON = msgspec.json.Decoder()
# Bytes of any length: on MySQL, LargeBinary alone holds only 64 KiB.
LongBytes = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")


def _read_uuid(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)


def _read_time(value: datetime | str | None) -> datetime | None:
    if value is None:
        return None
    return datetime.fromisoformat(value) if isinstance(value, str) else value.replace(tzinfo=UTC)


def _read_json(value: str | None) -> object:
    return None if value is None else decode_json(value)


class Guid(TypeDecorator[UUID]):
    """A UUID as 36 characters, so that all databases sort and return it alike."""

    impl = sa.CHAR(36)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        """Return the column's type on a database."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.Text())
        return dialect.type_descriptor(mysql.CHAR(36, charset="ascii", collation="ascii_bin"))

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> str | None:  # noqa: ARG002 (SQLAlchemy's)
        """Convert a value to the format of the database."""
        return None if value is None else str(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Read[UUID]:  # noqa: ARG002 (SQLAlchemy's)
        """Return the function that converts a value from the format of the database."""
        return _read_uuid


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC with microseconds; on SQLite, text of fixed width, which sorts by time."""

    impl = mysql.DATETIME(fsp=6)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        """Return the column's type on a database."""
        return dialect.type_descriptor(sa.Text() if dialect.name == "sqlite" else mysql.DATETIME(fsp=6))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """Convert a value to the format of the database."""
        if value is None:
            return None
        naive = value.astimezone(UTC).replace(tzinfo=None)
        return naive.isoformat(timespec="microseconds") + "Z" if dialect.name == "sqlite" else naive

    def result_processor(self, dialect: Dialect, coltype: object) -> Read[datetime]:  # noqa: ARG002
        """Return the function that converts a value from the format of the database."""
        return _read_time


class LongText(TypeDecorator[str]):
    """Text of any length with any characters, including NUL.

    Unpaired surrogates, which cannot be encoded, become U+FFFD.
    """

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        """Return the column's type on a database."""
        return dialect.type_descriptor(sa.Text() if dialect.name == "sqlite" else mysql.LONGTEXT())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Convert a value to the format of the database."""
        if value is None:
            return None
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value


class Json(TypeDecorator[Any]):
    """Data as compact ASCII JSON text."""

    impl = LongText
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> str:  # noqa: ARG002
        """Convert a value to the format of the database."""
        return encode_json(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Read[Any]:  # noqa: ARG002
        """Return the function that converts a value from the format of the database."""
        return _read_json


def decode_json(text: str) -> object:
    """Decode data that `encode_json` has encoded.

    The faster decoder rejects unpaired surrogates, and numbers that are not valid JSON.
    """
    try:
        return _JSON.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


class ExactText(TypeDecorator[str]):
    """Text with significant trailing spaces: utf8mb4_bin ignores them on MySQL, but VARBINARY does not."""

    impl = sa.String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self._length = length

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        """Return the column's type on a database."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.Text())
        return dialect.type_descriptor(mysql.VARBINARY(self._length * BYTES_PER_CHAR))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | bytes | None:
        """Convert a value to the format of the database."""
        if value is None or dialect.name == "sqlite":
            return value
        return value.encode()

    def process_result_value(self, value: str | bytes | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Convert a value from the format of the database."""
        return value.decode() if isinstance(value, bytes) else value
