from collections.abc import Iterator
from contextlib import contextmanager

import pymysql
import sqlalchemy as sa


class LostCommits:
    """Commits of an engine that break its connection, before they are done or after.

    Attributes:
        is_away: Whether the database takes no further transaction.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.is_away = False
        self._to_come: list[tuple[bool, bool]] = []
        self._do_commit = engine.dialect.do_commit
        engine.dialect.do_commit = self._commit
        sa.event.listen(engine, "begin", self._refuse_if_away)

    def lose(self, *, is_done: bool, is_away_then: bool = False) -> None:
        """Have one more of the commits to come lost: its answer alone, or all of it; perhaps for good."""
        self._to_come.append((is_done, is_away_then))

    @contextmanager
    def database_away(self) -> Iterator[None]:
        """Refuse every transaction for as long as the context lasts."""
        self.is_away = True
        try:
            yield
        finally:
            self.is_away = False

    def _commit(self, connection) -> None:
        if not self._to_come:
            self._do_commit(connection)
            return
        is_done, is_away_then = self._to_come.pop(0)
        self.is_away |= is_away_then
        if is_done:
            self._do_commit(connection)
        raise _connection_lost()

    def _refuse_if_away(self, _connection) -> None:
        if self.is_away:
            raise _connection_lost()


def _connection_lost() -> sa.exc.OperationalError:
    return sa.exc.OperationalError("COMMIT", None, pymysql.err.OperationalError(2013, "Lost connection"))
