"""Translation of database drivers' errors. Messages contain no SQL, no host and no values."""

import sqlite3
from collections.abc import Callable
from enum import Enum, auto

import sqlalchemy as sa

from adapters.common.certificate_errors import certificate_fault
from application.errors import DependencyUnavailable

DATABASE = "database"


class Failure(Enum):
    """The meaning of a driver's error for the transaction."""

    CONFLICT = auto()  # conflict with another transaction: retry
    LOST = auto()  # the connection broke, and a commit may have taken effect: look it up and retry
    GONE = auto()  # no connection can be made
    UNAVAILABLE = auto()  # an immediate retry is useless
    UNASKED = auto()  # all connections of the process are in use, so the database was not asked
    DUPLICATE = auto()  # a row with the same key exists
    BUG = auto()  # a fault of the service: the driver's error is raised unchanged


_LOCKED = "another transaction holds a lock"
_REFERENCED = "a referenced row, such as the project of a job, was removed at the same time"
DISK_FULL = "its disk is full"
_NO_MEMORY = "it has too little memory"
_NO_CONNECTION = "no connection to it could be made"
_NOT_MIGRATED = (
    "its tables are missing or have another version; 'service-server migrate check' shows the difference, "
    "and 'service-server migrate up' upgrades older ones"
)
_NO_RIGHT = "this user lacks a privilege; 'GRANT ALL ON <schema>.*' grants it"
_NO_PASSWORD = "this user does not authenticate with a password; configure a user that does"  # noqa: S105 - a sentence
NAMES_TAKEN = "it contains another service's tables with the same names; 'service-server import' imports them"

_RESTORE = "'service-server restore' makes a data directory from a backup"
# Names the option in the error of a server that refuses writes, as a replica does.
_READ_ONLY_OPTION = "read-only"
# MySQL 8.4 Reference Manual, "Server Error Message Reference", and MariaDB's list of the same name.
_MYSQL: dict[int, tuple[Failure, str]] = {
    1020: (Failure.CONFLICT, "the row changed since it was read"),
    1205: (Failure.CONFLICT, _LOCKED),
    1213: (Failure.CONFLICT, "the transaction was rolled back to resolve a deadlock"),
    3101: (Failure.CONFLICT, "another member of its group changed the same rows"),
    3572: (Failure.CONFLICT, _LOCKED),
    1451: (Failure.CONFLICT, _REFERENCED),
    1452: (Failure.CONFLICT, _REFERENCED),
    1053: (Failure.LOST, "it is shutting down"),
    1927: (Failure.LOST, "it closed the connection"),
    2006: (Failure.LOST, "the connection was lost"),
    2013: (Failure.LOST, "the connection was lost or timed out"),
    2014: (Failure.LOST, "the connection was lost"),
    2055: (Failure.LOST, "the connection was lost"),
    4031: (Failure.LOST, "it closed an idle connection"),
    1021: (Failure.UNAVAILABLE, DISK_FULL),
    1026: (Failure.UNAVAILABLE, "it cannot write to its disk"),
    1030: (Failure.UNAVAILABLE, "its storage engine reports an error"),
    1038: (Failure.UNAVAILABLE, _NO_MEMORY),
    1040: (Failure.UNAVAILABLE, "it has too many connections"),
    1041: (Failure.UNAVAILABLE, _NO_MEMORY),
    1044: (Failure.UNAVAILABLE, "it denies access to this user"),
    1045: (Failure.UNAVAILABLE, "it denies access to this user"),
    1129: (Failure.UNAVAILABLE, "it blocks this host after failed connections; 'FLUSH HOSTS' unblocks it"),
    1130: (Failure.UNAVAILABLE, "it refuses connections from this host"),
    1135: (Failure.UNAVAILABLE, _NO_MEMORY),
    1142: (Failure.UNAVAILABLE, _NO_RIGHT),
    1143: (Failure.UNAVAILABLE, _NO_RIGHT),
    1251: (Failure.UNAVAILABLE, _NO_PASSWORD),
    1698: (Failure.UNAVAILABLE, _NO_PASSWORD),
    1862: (Failure.UNAVAILABLE, "this user's password has expired"),
    2059: (Failure.UNAVAILABLE, _NO_PASSWORD),
    3118: (Failure.UNAVAILABLE, "this user's account is locked"),
    4151: (Failure.UNAVAILABLE, "this user's account is locked"),
    1047: (Failure.UNAVAILABLE, "it is not synchronized with its cluster"),
    1049: (Failure.UNAVAILABLE, "the configured schema does not exist"),
    1114: (Failure.UNAVAILABLE, DISK_FULL),
    1203: (Failure.UNAVAILABLE, "it has too many connections"),
    1206: (Failure.UNAVAILABLE, _NO_MEMORY),
    1226: (Failure.UNAVAILABLE, "this user has reached a resource limit"),
    **dict.fromkeys((1290, 1792, 1836), (Failure.UNAVAILABLE, "it is read-only")),
    1317: (Failure.UNAVAILABLE, "it interrupted the statement"),
    1467: (Failure.UNAVAILABLE, "it interrupted the statement before a new number was assigned"),
    1153: (Failure.UNAVAILABLE, "the statement is larger than its 'max_allowed_packet'"),
    1969: (Failure.UNAVAILABLE, "the statement exceeded its time limit"),
    3024: (Failure.UNAVAILABLE, "the statement exceeded its time limit"),
    2002: (Failure.GONE, _NO_CONNECTION),
    2003: (Failure.GONE, _NO_CONNECTION),
    2026: (Failure.UNAVAILABLE, "no encrypted connection to it could be made"),
    1050: (Failure.UNAVAILABLE, NAMES_TAKEN),
    1054: (Failure.UNAVAILABLE, _NOT_MIGRATED),
    1146: (Failure.UNAVAILABLE, _NOT_MIGRATED),
    1062: (Failure.DUPLICATE, "a row with this key exists"),
}

# https://www.sqlite.org/rescode.html; the primary code is the lowest byte of the extended one.
_SQLITE: dict[int, tuple[Failure, str]] = {
    sqlite3.SQLITE_BUSY: (Failure.CONFLICT, _LOCKED),
    sqlite3.SQLITE_LOCKED: (Failure.CONFLICT, _LOCKED),
    sqlite3.SQLITE_PERM: (Failure.UNAVAILABLE, "its file is not accessible"),
    sqlite3.SQLITE_READONLY: (Failure.UNAVAILABLE, "its file is not writable"),
    sqlite3.SQLITE_IOERR: (Failure.UNAVAILABLE, "its file cannot be read or written"),
    sqlite3.SQLITE_CORRUPT: (Failure.UNAVAILABLE, f"its file is damaged; {_RESTORE}"),
    sqlite3.SQLITE_FULL: (Failure.UNAVAILABLE, DISK_FULL),
    sqlite3.SQLITE_CANTOPEN: (Failure.UNAVAILABLE, "its file cannot be opened"),
    sqlite3.SQLITE_NOTADB: (Failure.UNAVAILABLE, f"its file is not a database; {_RESTORE}"),
}
_SQLITE_WORDS = {
    "no such": (Failure.UNAVAILABLE, _NOT_MIGRATED),
    "has no column": (Failure.UNAVAILABLE, _NOT_MIGRATED),
    "already exists": (Failure.UNAVAILABLE, NAMES_TAKEN),
}
_SQLITE_DUPLICATES = {sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE}

_BUG = (Failure.BUG, "the statement is invalid")


class DatabaseGone(DependencyUnavailable):
    """The database does not answer at all."""

    def __init__(self, detail: str) -> None:
        super().__init__(DATABASE, detail)


class ConnectionsInUse(DependencyUnavailable):
    """All of this process's connections to the database are in use."""

    def __init__(self, detail: str) -> None:
        super().__init__(DATABASE, detail)


def diagnose(error: sa.exc.SQLAlchemyError) -> tuple[Failure, str]:
    """Return the kind of failure, and its cause as the end of a sentence about the database."""
    if isinstance(error, sa.exc.TimeoutError):
        return Failure.UNASKED, "all of this process's connections to it are in use"
    if not isinstance(error, sa.exc.DBAPIError):
        return _BUG
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return _diagnose_sqlite(cause)
    code = cause.args[0] if cause is not None and cause.args else None
    found = _MYSQL.get(code, _BUG) if isinstance(code, int) else _BUG
    if found[0] is Failure.GONE and cause is not None and (fault := certificate_fault(cause)) is not None:
        return Failure.GONE, f"{_NO_CONNECTION}: {fault}"
    if found is _BUG and error.connection_invalidated:
        return Failure.LOST, "the connection was lost"
    return found


def _diagnose_sqlite(error: sqlite3.Error) -> tuple[Failure, str]:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code in _SQLITE_DUPLICATES:
        return Failure.DUPLICATE, "a row with this key exists"
    if code == sqlite3.SQLITE_ERROR:  # the generic code for faulty statements
        return next((found for words, found in _SQLITE_WORDS.items() if words in str(error)), _BUG)
    return _SQLITE.get(code & 0xFF, _BUG)


def is_read_only(error: Exception) -> bool:
    """Whether a server has refused a write because it is read-only as a whole, and not a transaction."""
    code, detail = (*error.args, None, None)[:2]
    return code == 1836 or (code == 1290 and _READ_ONLY_OPTION in str(detail))  # noqa: PLR2004 - as in _MYSQL


def inserted(insert: Callable[[], object]) -> bool:
    """Insert rows; return False if another row has the same key.

    In that case only the statement is rolled back, not the transaction.
    """
    try:
        insert()
    except sa.exc.IntegrityError as error:
        if diagnose(error)[0] is not Failure.DUPLICATE:
            raise
        return False
    return True


def unavailable(detail: str) -> DependencyUnavailable:
    """Build the error that callers see."""
    return DependencyUnavailable(DATABASE, detail)
