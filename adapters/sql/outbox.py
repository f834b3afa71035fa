"""SQL outbox of messages to publish."""

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from adapters.sql.database_time import database_time, is_from_the_future, microseconds
from adapters.sql.driver_statements import for_drivers
from adapters.sql.mapping import MESSAGE_COLUMNS, message_row, to_message
from adapters.sql.tables import outbox
from application.messages import Message
from application.ports.outbox import Outbox
from domain.values import MessageId

_ADD = for_drivers(sa.insert(outbox), ("message_id", "name", "body"))
_latest = database_time(sa.bindparam("offset_us", type_=sa.BigInteger))
# Rows locked by other sweeps are skipped, not waited for. SQLite has one writer at a time.
_LEFT_BEHIND = (
    sa.select(*MESSAGE_COLUMNS)
    .where(
        sa.or_(outbox.c.added_at <= _latest, is_from_the_future(outbox.c.added_at)),
        sa.or_(
            outbox.c.taken_at.is_(None), outbox.c.taken_at <= _latest, is_from_the_future(outbox.c.taken_at)
        ),
    )
    .order_by(outbox.c.added_at, outbox.c.message_id)
    .limit(sa.bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_are_these = outbox.c.message_id.in_(sa.bindparam("ids", expanding=True))
_TAKE = sa.update(outbox).where(_are_these).values(taken_at=database_time())
_REMOVE = sa.delete(outbox).where(_are_these)


class SqlOutbox(Outbox):
    """The outbox of one transaction.

    Attributes:
        added: The messages that the transaction has added, including ones that are not stored.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.added: list[Message] = []

    def add(self, messages: Sequence[Message]) -> None:
        """Store the messages that must not be lost, and collect all messages for the relay."""
        if rows := [message_row(message) for message in messages if not message.may_be_lost]:
            self._connection.exec_driver_sql(_ADD[self._connection.dialect.name], rows)
        self.added.extend(messages)

    def fetch_stale(self, longer_than_s: float, limit: int) -> Sequence[Message]:
        """Take messages that were neither added nor taken within a time, oldest first."""
        wanted = {"offset_us": -microseconds(longer_than_s), "limit": limit}
        rows = self._connection.execute(_LEFT_BEHIND, wanted).mappings()
        found = [to_message(row) for row in rows]
        if found:
            self._connection.execute(_TAKE, {"ids": sorted(message.id for message in found)})
        return found

    def remove(self, message_ids: Collection[MessageId]) -> None:
        """Delete published messages."""
        if message_ids:
            self._connection.execute(_REMOVE, {"ids": sorted(message_ids)})
