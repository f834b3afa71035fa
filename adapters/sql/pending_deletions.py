"""SQL records of objects that are to be deleted."""

import hashlib
from collections.abc import Collection, Mapping
from uuid import UUID

import sqlalchemy as sa

from adapters.sql.errors import inserted
from adapters.sql.tables import pending_deletions
from application.errors import ConcurrencyConflict
from application.ports.purge_repository import StoreName

_are_these = pending_deletions.c.digest.in_(sa.bindparam("digests", expanding=True))
_PRESENT = sa.select(pending_deletions.c.digest, pending_deletions.c.taken_at).where(_are_these)
_ADD = sa.insert(pending_deletions)
_REMOVE = sa.delete(pending_deletions).where(_are_these)


def deletion_digest(store: StoreName, key: str) -> str:
    """Return the digest that identifies the pending deletion of an object."""
    return hashlib.sha256(f"{store}:{key}".encode("utf-8", "surrogatepass")).hexdigest()


def note_deletions(
    connection: sa.Connection, objects: Collection[tuple[StoreName, str]], purge_id: UUID | None
) -> None:
    """Schedule the deletion of objects, except those that are scheduled already.

    Args:
        connection: The connection of a transaction.
        objects: The stores and keys of the objects.
        purge_id: The purge that must not finish before they are deleted.

    Raises:
        ConcurrencyConflict: Another transaction schedules one of them at the same time.
    """
    rows = {
        deletion_digest(store, key): {"store": store.value, "object_key": key, "purge_id": purge_id}
        for store, key in objects
    }
    if not rows:
        return
    present = set(connection.execute(_PRESENT, {"digests": sorted(rows)}).scalars())
    new = [{"digest": digest, **rows[digest]} for digest in sorted(rows.keys() - present)]
    if new and not inserted(lambda: connection.execute(_ADD, new)):
        raise ConcurrencyConflict("another transaction has recorded the same object")


def cancel_deletions(connection: sa.Connection, store: StoreName, keys: Collection[str]) -> Collection[str]:
    """Cancel the pending deletion of objects that are needed after all.

    Returns:
        The keys of objects that a process is deleting already; their deletions go ahead.
    """
    digests: Mapping[str, str] = {deletion_digest(store, key): key for key in keys}
    if not digests:
        return []
    noted = connection.execute(_PRESENT.with_for_update(), {"digests": sorted(digests)}).all()
    if idle := sorted(row.digest for row in noted if row.taken_at is None):
        connection.execute(_REMOVE, {"digests": idle})
    return [digests[row.digest] for row in noted if row.taken_at is not None]
