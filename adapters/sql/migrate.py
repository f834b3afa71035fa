"""How far the tables are, and what brings them further.

Alembic is imported where there is something to do: to load it takes longer than to see that there is not.
"""

from pathlib import Path

import sqlalchemy as sa

from adapters.sql.errors import NAMES_TAKEN, unavailable
from adapters.sql.retrying import run_again
from adapters.sql.tables import VERSION_TABLE, metadata

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


def foreign_tables(engine: sa.Engine) -> list[str]:
    """Return the tables of others that have the names of the service's: it has none yet then.

    Raises:
        DependencyUnavailable: The database is out of reach.
    """

    def ask() -> list[str]:
        with engine.connect() as connection:
            return names_taken(connection)

    return run_again(ask)


def names_taken(connection: sa.Connection) -> list[str]:
    """Return the same for one connection."""
    present = set(sa.inspect(connection).get_table_names())
    return [] if VERSION_TABLE in present else sorted(present & set(metadata.tables))


def upgrade(engine: sa.Engine, revision: str = "head") -> None:
    """Bring the tables up to a revision. Of several processes at once, one does it and the others wait.

    Raises:
        DependencyUnavailable: The database is out of reach, or another process migrates for too long.
    """
    if revision == "head" and (current(engine) or "") >= newest():  # an older program serves newer tables too
        return
    if foreign_tables(engine):
        raise unavailable(NAMES_TAKEN)
    from adapters.sql import steps  # noqa: PLC0415 - as said above

    steps.upgrade(engine, revision)


def downgrade(engine: sa.Engine, revision: str) -> None:
    """Take the tables down to an earlier revision, or to "base": what only the later ones keep is lost.

    Raises:
        DependencyUnavailable: The database is out of reach, or another process migrates for too long.
    """
    from adapters.sql import steps  # noqa: PLC0415 - likewise

    steps.downgrade(engine, revision)


def is_newer(revision: str) -> bool:
    """Whether tables of this revision were made by a newer version of the service.

    Revisions sort by age. Steps add and never take away, so processes of this version go on with such tables.
    """
    return revision > newest()


def check(engine: sa.Engine) -> list[str]:
    """Return how the tables differ from what this version of the service works with; nothing if they do not.

    Raises:
        DependencyUnavailable: The database is out of reach.
    """
    from adapters.sql import steps  # noqa: PLC0415 - likewise

    return steps.differences(engine, newest())
