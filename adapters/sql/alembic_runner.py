"""Runs Alembic migrations, and compares the tables with the metadata."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from pymysql.constants import ER
from pymysql.constants.SERVER_STATUS import SERVER_STATUS_IN_TRANS
from pymysql.err import MySQLError
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.engine.interfaces import DBAPICursor

from adapters.sql.engine import long_timeouts
from adapters.sql.errors import unavailable
from adapters.sql.tables import VERSION_TABLE, metadata
from adapters.sql.transaction_retrier import run_again

logger = logging.getLogger("service_server.database")

_DIRECTORY = Path(__file__).parent / "migrations"
_LOCK = "service_server_migration"
_LOCK_TIMEOUT_S = 120
_HOLDER = sa.text("SELECT id, user, host FROM information_schema.processlist WHERE id = is_used_lock(:lock)")
# The errors of a server for a change that has been made already.
_MADE = {
    ER.TABLE_EXISTS_ERROR,
    ER.BAD_TABLE_ERROR,
    ER.DUP_FIELDNAME,
    ER.DUP_KEYNAME,
    ER.CANT_DROP_FIELD_OR_KEY,
}


def upgrade(engine: sa.Engine, revision: str) -> None:
    """Migrate up to a revision."""
    _alone(engine, lambda config: command.upgrade(config, revision))


def downgrade(engine: sa.Engine, revision: str) -> None:
    """Migrate down to a revision."""
    _alone(engine, lambda config: command.downgrade(config, revision))


def differences(engine: sa.Engine, wanted: str) -> list[str]:
    """Return the differences between the tables and the newest revision, `wanted`."""

    def compare() -> list[str]:
        with engine.connect() as connection:
            context = _context(connection)
            found = context.get_current_revision()
            if found is not None and found > wanted:
                return [f"revision is {found}, of a newer version of the service than this one, {wanted}"]
            differences = [_describe(difference) for difference in compare_metadata(context, metadata)]
            return differences if found == wanted else [f"revision is {found}, not {wanted}", *differences]

    return run_again(compare)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_DIRECTORY).replace("%", "%%"))
    return config


def _context(connection: sa.Connection) -> MigrationContext:
    options = {"version_table": VERSION_TABLE, "include_object": _is_ours}
    return MigrationContext.configure(connection, opts=options)


def _is_ours(_item: object, _name: str, kind: str, is_found: bool, wanted: object) -> bool:  # noqa: FBT001 (Alembic's)
    """Exclude the tables of other services in the same schema from the comparison."""
    return not (kind == "table" and is_found and wanted is None)


def _describe(difference: Any) -> str:  # noqa: ANN401 (tuples of many forms, and lists of them)
    if isinstance(difference, list):
        return "; ".join(_describe(part) for part in difference)
    kind, *subject = difference
    names = (getattr(item, "name", item) for item in subject)
    return " ".join([kind.replace("_", " "), *(name for name in names if isinstance(name, str))])


def _alone(engine: sa.Engine, migrate: Callable[[Config], None]) -> None:
    """Run a migration under a lock that excludes other processes, and commit.

    SQLite migrates in one transaction. A server commits each change to a table, so an interrupted step is
    repeated without the changes that it has made.
    """
    own = long_timeouts(engine)
    if own.dialect.name != "sqlite":
        sa.event.listen(own, "do_execute", _skip_made_change)
        sa.event.listen(own, "after_cursor_execute", _begin_again)

    def run() -> None:
        with own.connect() as connection:
            _take_turn(connection)
            config = _config()
            config.attributes["connection"] = connection
            migrate(config)
            connection.commit()

    try:
        run_again(run)
    finally:
        own.dispose()


def _skip_made_change(
    cursor: DBAPICursor,
    statement: str,
    parameters: Any,  # noqa: ANN401 (the driver's)
    context: DefaultExecutionContext,
) -> bool:
    """Execute a change to a table, unless it has been made; return False for other statements."""
    if not context.isddl:
        return False
    try:
        cursor.execute(statement, parameters)
    except MySQLError as error:
        if error.args[0] not in _MADE or not _is_ours_if_created(context):
            raise
    return True


def _is_ours_if_created(context: DefaultExecutionContext) -> bool:
    """Whether a table to create, if the statement creates one, exists with the same columns."""
    change = context.compiled.statement if context.compiled is not None else None
    if not isinstance(change, sa.schema.CreateTable):
        return True
    found = sa.inspect(context.root_connection).get_columns(change.element.name)
    return {column["name"] for column in found} == set(change.element.columns.keys())


def _begin_again(connection: sa.Connection, *_statement: object) -> None:
    """Begin a transaction after a change to a table, which has ended the previous one.

    The rows that a step changes are committed together with its revision.
    """
    driver: Any = connection.connection.driver_connection
    if not driver.server_status & SERVER_STATUS_IN_TRANS:
        driver.begin()


def _take_turn(connection: sa.Connection) -> None:
    """Acquire the migration lock, which is released when the connection closes.

    MySQL commits implicitly with each change to a table, so the lock must be independent of transactions.
    SQLite needs no such lock, because its transaction excludes other writers.
    """
    if connection.dialect.name == "sqlite" or _locks(connection, within_s=0):
        return
    logger.warning(
        "waiting up to %d s for %s, which holds the migration lock", _LOCK_TIMEOUT_S, _holder(connection)
    )
    if not _locks(connection, within_s=_LOCK_TIMEOUT_S):
        raise unavailable("another process has held the migration lock for too long")


def _locks(connection: sa.Connection, within_s: int) -> bool:
    return connection.execute(sa.select(sa.func.get_lock(_LOCK, within_s))).scalar() == 1


def _holder(connection: sa.Connection) -> str:
    """Return the connection that holds the lock, as an administrator of the database can find it."""
    row = connection.execute(_HOLDER, {"lock": _LOCK}).first()
    # The connections of other users are visible only with the privilege PROCESS.
    return "another process" if row is None else f"connection {row.id} of {row.user} from {row.host}"
