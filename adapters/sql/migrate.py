"""The revision of the database's schema, and migrations to other revisions.

Alembic is imported only if there is something to migrate, because importing it takes longer than the check.
"""

from pathlib import Path

import sqlalchemy as sa

from adapters.sql.errors import NAMES_TAKEN, unavailable
from adapters.sql.tables import VERSION_TABLE, metadata
from adapters.sql.transaction_retrier import run_again
from application.ports.database_schema import DatabaseSchema

_STEPS = Path(__file__).parent / "migrations" / "versions"
_CURRENT = sa.select(sa.column("version_num", sa.String)).select_from(sa.table(VERSION_TABLE))


def newest() -> str:
    """Return the newest revision, which this version of the service requires."""
    *_, last = sorted(step.stem for step in _STEPS.glob("v[0-9]*.py"))
    return last.removeprefix("v").partition("_")[0]


class SqlSchema(DatabaseSchema):
    """Schema of a SQL database, migrated with Alembic."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def revision(self) -> str | None:
        """Read the revision from its table; None without one."""

        def ask() -> str | None:
            with self._engine.connect() as connection:
                if not sa.inspect(connection).has_table(VERSION_TABLE):
                    return None
                revision: str | None = connection.execute(_CURRENT).scalar()
                return revision

        return run_again(ask)

    def is_newer(self) -> bool:
        """Compare the database's revision with the newest known; revisions sort by age.

        Migrations only add to the schema, so older versions of the service keep working with newer tables.
        """
        return (self.revision() or "") > newest()

    def differences(self) -> list[str]:
        """Compare the tables with their definitions."""
        from adapters.sql import alembic_runner  # noqa: PLC0415 - slow to import

        return alembic_runner.differences(self._engine, newest())

    def foreign_tables(self) -> list[str]:
        """Return tables of another service that have names of this one's."""

        def ask() -> list[str]:
            with self._engine.connect() as connection:
                return names_taken(connection)

        return run_again(ask)

    def upgrade(self, revision: str = "head") -> None:
        """Migrate up to a revision; newer tables are left unchanged."""
        if revision == "head" and (self.revision() or "") >= newest():
            return
        if self.foreign_tables():
            raise unavailable(NAMES_TAKEN)
        from adapters.sql import alembic_runner  # noqa: PLC0415 - slow to import

        alembic_runner.upgrade(self._engine, revision)

    def downgrade(self, revision: str) -> None:
        """Migrate down to a revision."""
        from adapters.sql import alembic_runner  # noqa: PLC0415 - slow to import

        alembic_runner.downgrade(self._engine, revision)


def names_taken(connection: sa.Connection) -> list[str]:
    """Return existing tables with the names of this service's tables if the database has no revision."""
    present = set(sa.inspect(connection).get_table_names())
    return [] if VERSION_TABLE in present else sorted(present & set(metadata.tables))
