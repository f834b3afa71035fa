"""How far the tables are, found out without Alembic, which takes longer to load than to answer."""

from pathlib import Path

import sqlalchemy as sa

from adapters.sql.retrying import run_again
from adapters.sql.tables import VERSION_TABLE

_STEPS = Path(__file__).parent / "migrations" / "versions"
_CURRENT = sa.select(sa.column("version_num", sa.String)).select_from(sa.table(VERSION_TABLE))


def newest() -> str:
    """Return the revision that this version of the service works with."""
    *_, last = sorted(step.stem for step in _STEPS.glob("v[0-9]*.py"))
    return last.removeprefix("v").partition("_")[0]


def current(engine: sa.Engine) -> str | None:
    """Return the revision of the tables, or None if there are none.

    Raises:
        DependencyUnavailable: The database is out of reach.
    """

    def ask() -> str | None:
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table(VERSION_TABLE):
                return None
            revision: str | None = connection.execute(_CURRENT).scalar()
            return revision

    return run_again(ask)
