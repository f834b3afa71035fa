from collections.abc import Collection, Sequence

import sqlalchemy as sa

from adapters.sql.database_time import database_time, microseconds
from adapters.sql.mapping import MESSAGE_COLUMNS, message_values, to_message
from adapters.sql.tables import outbox
from application.messages import Message
from application.ports.outbox import Outbox
from domain.values import MessageId

_ADD = sa.insert(outbox)
_LEFT_BEHIND = (
    sa.select(*MESSAGE_COLUMNS)
    .where(outbox.c.added_at <= database_time(sa.bindparam("offset_us", type_=sa.BigInteger)))
    .order_by(outbox.c.added_at, outbox.c.message_id)
    .limit(sa.bindparam("limit"))
)
_REMOVE = sa.delete(outbox).where(outbox.c.message_id.in_(sa.bindparam("ids", expanding=True)))


class SqlOutbox(Outbox):
    """The outbox of one transaction.

    Attributes:
        added: The messages that the transaction has added.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.added: list[Message] = []

    def add(self, messages: Sequence[Message]) -> None:
        """Store messages, and remember them for the relay."""
        if messages:
            self._connection.execute(_ADD, [message_values(message) for message in messages])
            self.added.extend(messages)

    def left_behind(self, longer_than_s: float, limit: int) -> Sequence[Message]:
        """Return messages that have been here longer than that, the oldest first."""
        found = self._connection.execute(
            _LEFT_BEHIND, {"offset_us": -microseconds(longer_than_s), "limit": limit}
        )
        return [to_message(row) for row in found]

    def remove(self, message_ids: Collection[MessageId]) -> None:
        """Forget messages that were published."""
        if message_ids:
            self._connection.execute(_REMOVE, {"ids": sorted(message_ids)})
