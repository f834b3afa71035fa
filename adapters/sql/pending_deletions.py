"""Notes of objects to be deleted, in SQL."""

import hashlib
from collections.abc import Collection, Mapping
from uuid import UUID

import sqlalchemy as sa

from adapters.sql.errors import is_duplicate
from adapters.sql.tables import pending_deletions
from application.errors import ConcurrencyConflict
from application.ports.purge_repository import StoreName

_are_these = pending_deletions.c.digest.in_(sa.bindparam("digests", expanding=True))
_PRESENT = sa.select(pending_deletions.c.digest, pending_deletions.c.taken_at).where(_are_these)
_ADD = sa.insert(pending_deletions)
_REMOVE = sa.delete(pending_deletions).where(_are_these)


def deletion_digest(store: StoreName, key: str) -> str:
    """Return the digest by which the deletion of an object is noted."""
    return hashlib.sha256(f"{store}:{key}".encode("utf-8", "surrogatepass")).hexdigest()


def note_deletions(
    connection: sa.Connection, objects: Collection[tuple[StoreName, str]], purge_id: UUID | None
) -> None:
    """Note objects to be deleted; the ones that are noted already stay as they are.

    Args:
        connection: A transaction's.
        objects: Their stores and keys.
        purge_id: The purge that is not over before they are deleted.

    Raises:
        ConcurrencyConflict: Another transaction notes one of them at the same time.
    """
    rows = {
        deletion_digest(store, key): {"store": store.value, "object_key": key, "purge_id": purge_id}
        for store, key in objects
    }
    if not rows:
        return
    present = set(connection.execute(_PRESENT, {"digests": sorted(rows)}).scalars())
    if new := [{"digest": digest, **rows[digest]} for digest in sorted(rows.keys() - present)]:
        try:
            connection.execute(_ADD, new)
        except sa.exc.IntegrityError as error:
            if not is_duplicate(error):
                raise
            raise ConcurrencyConflict("another transaction has noted the same object") from error


def cancel_deletions(connection: sa.Connection, store: StoreName, keys: Collection[str]) -> Collection[str]:
    """Remove the notes of objects that are needed after all.

    Returns:
        The keys of objects that a process is deleting already; their notes stay.
    """
    digests: Mapping[str, str] = {deletion_digest(store, key): key for key in keys}
    if not digests:
        return []
    noted = connection.execute(_PRESENT.with_for_update(), {"digests": sorted(digests)}).all()
    if idle := sorted(row.digest for row in noted if row.taken_at is None):
        connection.execute(_REMOVE, {"digests": idle})
    return [digests[row.digest] for row in noted if row.taken_at is not None]
