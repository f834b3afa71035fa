"""SQL expressions for the database's time, which decides whether leases have expired."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from adapters.sql.types import UtcDateTime

_MICROSECONDS = 1_000_000
# A statement's time lags behind another's by less than this, even after a wait. A larger lag means that the
# clock was set back.
_CLOCK_WAS_SET_S = 60


class _DatabaseTime(FunctionElement[Any]):
    """The current time plus an offset in microseconds: exact on MySQL, to the millisecond on SQLite."""

    type = UtcDateTime()
    name = "database_time"
    inherit_cache = True


@compiles(_DatabaseTime, "mysql")
@compiles(_DatabaseTime, "mariadb")
def _on_mysql(element: _DatabaseTime, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 (SQLAlchemy's)
    offset = compiler.process(element.clauses, **options)
    # MySQL and MariaDB require the parentheses in a column's default.
    return f"(TIMESTAMPADD(MICROSECOND, {offset}, UTC_TIMESTAMP(6)))" if offset else "(UTC_TIMESTAMP(6))"


@compiles(_DatabaseTime, "sqlite")
def _on_sqlite(element: _DatabaseTime, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    offset = compiler.process(element.clauses, **options)
    modifier = f", printf('%+.3f seconds', {offset} / {_MICROSECONDS}.0)" if offset else ""
    return f"strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'{modifier})"


class _LongAgo(FunctionElement[Any]):
    """A time earlier than any that the service has stored."""

    type = UtcDateTime()
    name = "long_ago"
    inherit_cache = True


@compiles(_LongAgo, "mysql")
@compiles(_LongAgo, "mariadb")
def _long_ago_on_mysql(_element: _LongAgo, _compiler: SQLCompiler, **_options: Any) -> str:  # noqa: ANN401
    return "'2000-01-01 00:00:00.000000'"


@compiles(_LongAgo, "sqlite")
def _long_ago_on_sqlite(_element: _LongAgo, _compiler: SQLCompiler, **_options: Any) -> str:  # noqa: ANN401
    return "'2000-01-01T00:00:00.000000Z'"


def long_ago() -> ColumnElement[Any]:
    """Return the expression for a time earlier than all others, for use as a column's default."""
    return _LongAgo()


def database_time(offset_us: sa.BindParameter[int] | None = None) -> ColumnElement[Any]:
    """Return the expression for the database's time, plus an optional offset in microseconds."""
    return _DatabaseTime() if offset_us is None else _DatabaseTime(offset_us)


def is_from_the_future(column: sa.ColumnElement[datetime]) -> sa.ColumnElement[bool]:
    """Return the condition that a time lies a minute or more ahead: the clock was set back since."""
    latest = sa.literal(microseconds(_CLOCK_WAS_SET_S), sa.BigInteger)
    return column > _DatabaseTime(latest)


def microseconds(seconds: float) -> int:
    """Convert a duration in seconds to whole microseconds."""
    return round(seconds * _MICROSECONDS)
