"""SQL inbox of processed messages."""

import hashlib
from datetime import datetime

import sqlalchemy as sa

from adapters.sql.errors import inserted
from adapters.sql.tables import inbox
from application.ports.inbox import Inbox

_ADD = sa.insert(inbox)
_OLD = (
    sa.select(inbox.c.digest)
    .where(inbox.c.received_at < sa.bindparam("before"))
    .limit(sa.bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_FORGET = sa.delete(inbox).where(inbox.c.digest.in_(sa.bindparam("digests", expanding=True)))


class SqlInbox(Inbox):
    """Records of processed messages, keyed by a digest of their source and their id at the source."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, source: str, message_id: str, now: datetime) -> bool:
        """Record a message; return False if it was recorded before."""
        # The length prefix keeps ("a", "bc") and ("ab", "c") apart.
        identity = f"{len(source)}:{source}{message_id}".encode("utf-8", "surrogatepass")
        row = {
            "digest": hashlib.sha256(identity).hexdigest(),
            "source": source,
            "message_id": message_id,
            "received_at": now,
        }
        return inserted(lambda: self._connection.execute(_ADD, row))

    def forget(self, before: datetime, limit: int) -> int:
        """Remove up to `limit` records of messages received before a time; return their number."""
        old = self._connection.execute(_OLD, {"before": before, "limit": limit}).scalars().all()
        if old:
            self._connection.execute(_FORGET, {"digests": sorted(old)})
        return len(old)
