"""SQL repository of blobs."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa

from adapters.sql.database_time import database_time, is_from_the_future, microseconds
from adapters.sql.errors import inserted
from adapters.sql.pending_deletions import cancel_deletions, note_deletions
from adapters.sql.tables import blob_references, blobs
from application.errors import ConcurrencyConflict, StorageUnavailable
from application.ports.blob_repository import Announcement, BlobRepository
from application.ports.purge_repository import StoreName, UnusedBlobs
from domain.blob import BlobRef, blob_key
from domain.tenant import TenantName

# The maximum number of values in one statement.
_AT_ONCE = 500

_are_these = sa.and_(
    blobs.c.tenant == sa.bindparam("tenant_name"), blobs.c.sha256.in_(sa.bindparam("digests", expanding=True))
)
# All transactions lock rows in the order of the key, which avoids deadlocks.
_PRESENT = (
    sa.select(blobs.c.sha256, blobs.c.size, blobs.c.is_stored)
    .where(_are_these)
    .order_by(blobs.c.sha256)
    .with_for_update()
)
_KEEP = sa.update(blobs).where(_are_these, blobs.c.idle_since.is_not(None)).values(idle_since=database_time())
_IDLE = sa.update(blobs).where(_are_these).values(idle_since=database_time())
_REFERRED_TO = sa.update(blobs).where(_are_these).values(is_stored=True, idle_since=None)
_USED = sa.update(blobs).where(_are_these).values(idle_since=None)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_WITHDRAW = sa.update(blobs).where(_are_these, blobs.c.is_stored.is_(False)).values(idle_since=_LONG_AGO)
_REMOVE = sa.delete(blobs).where(_are_these)
_ADD = sa.insert(blobs).values(idle_since=database_time())

_ADD_REFERENCES = sa.insert(blob_references)
_are_theirs = blob_references.c.owner.in_(sa.bindparam("owners", expanding=True))
_REFERENCES = sa.select(blob_references.c.tenant, blob_references.c.sha256).where(_are_theirs).distinct()
_REMOVE_REFERENCES = sa.delete(blob_references).where(_are_theirs)
_REFERENCED = (
    sa.select(blob_references.c.sha256)
    .where(
        blob_references.c.tenant == sa.bindparam("tenant_name"),
        blob_references.c.sha256.in_(sa.bindparam("digests", expanding=True)),
    )
    .distinct()
)

_COLUMNS = (blobs.c.tenant, blobs.c.sha256, blobs.c.size, blobs.c.is_stored)
_UNUSED = (
    sa.select(*_COLUMNS)
    .where(
        sa.or_(
            blobs.c.idle_since <= database_time(sa.bindparam("offset_us", type_=sa.BigInteger)),
            is_from_the_future(blobs.c.idle_since),
        )
    )
    .order_by(blobs.c.idle_since)
    .limit(sa.bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_OF_TENANT = (
    sa.select(*_COLUMNS)
    .where(blobs.c.tenant == sa.bindparam("tenant_name"))
    .order_by(blobs.c.sha256)
    .limit(sa.bindparam("limit"))
    .with_for_update()
)
_REMOVE_REFERENCES_TO = sa.delete(blob_references).where(
    blob_references.c.tenant == sa.bindparam("tenant_name"),
    blob_references.c.sha256.in_(sa.bindparam("digests", expanding=True)),
)


class SqlBlobRepository(BlobRepository):
    """Repository of the tenants' blobs.

    `idle_since` is the time at which a blob lost a reference or was announced; it is NULL once the blob is
    known to be referenced. The removal of unused blobs therefore reads only candidates.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def announce(self, tenant: TenantName, blobs: Collection[BlobRef]) -> Announcement:
        """Record blobs that are about to be stored and referenced."""
        by_digest = {blob.sha256: blob for blob in blobs}
        stored, known = set(), set()
        for these in _parts(tenant, by_digest):
            for row in self._connection.execute(_PRESENT, these):
                known.add(row.sha256)
                if row.is_stored:
                    stored.add(row.sha256)
            self._connection.execute(_KEEP, these)
        keys = {blob_key(tenant, digest).value: digest for digest in by_digest.keys() - known}
        deleting = cancel_deletions(self._connection, StoreName.CODE, keys)
        in_removal = {keys[key] for key in deleting}
        self._add(tenant, [by_digest[digest] for digest in sorted(set(keys.values()) - in_removal)])
        return Announcement(
            missing=frozenset(by_digest[digest] for digest in by_digest.keys() - stored - in_removal),
            in_removal=frozenset(by_digest[digest] for digest in in_removal),
        )

    def refer(self, tenant: TenantName, owner: UUID, blobs: Collection[BlobRef]) -> int:
        """Record a new owner's references to blobs; return the size in bytes of the newly stored ones."""
        digests = {blob.sha256 for blob in blobs}
        added_bytes = found = 0
        for these in _parts(tenant, digests):
            for row in self._connection.execute(_PRESENT, these):
                found += 1
                added_bytes += 0 if row.is_stored else row.size
            self._connection.execute(_REFERRED_TO, these)
        if found != len(digests):
            raise StorageUnavailable("a file of the upload was removed before its job was stored")
        if digests:
            rows = [{"owner": owner, "sha256": each, "tenant": tenant.value} for each in sorted(digests)]
            self._connection.execute(_ADD_REFERENCES, rows)
        return added_bytes

    def withdraw(self, tenant: TenantName, blobs: Collection[BlobRef]) -> None:
        """Let announced blobs be removed soon."""
        for these in _parts(tenant, {blob.sha256 for blob in blobs}):
            self._connection.execute(_WITHDRAW, these)

    def release(self, owners: Collection[UUID]) -> None:
        """Remove the references of owners that this transaction removes."""
        if not owners:
            return
        theirs = {"owners": sorted(owners)}
        released: dict[str, list[str]] = defaultdict(list)
        for row in self._connection.execute(_REFERENCES, theirs):
            released[row.tenant].append(row.sha256)
        if not released:
            return
        self._connection.execute(_REMOVE_REFERENCES, theirs)
        for tenant, digests in sorted(released.items()):
            for these in _parts(TenantName(tenant), digests):
                self._connection.execute(_IDLE, these)

    def remove_unused(self, idle_s: float, limit: int) -> UnusedBlobs:
        """Remove blobs that were unreferenced for `idle_s`, and schedule the deletion of their objects."""
        wanted = {"offset_us": -microseconds(idle_s), "limit": limit}
        rows = self._connection.execute(_UNUSED, wanted).mappings().all()
        freed: dict[TenantName, int] = {}
        for tenant, of_tenant in _by_tenant(rows).items():
            digests = sorted(row["sha256"] for row in of_tenant)
            these = {"tenant_name": tenant.value, "digests": digests}
            used = sorted(self._connection.execute(_REFERENCED, these).scalars())
            if used:
                self._connection.execute(_USED, {**these, "digests": used})
            unused = [row for row in of_tenant if row["sha256"] not in set(used)]
            if unused:
                freed[tenant] = self._remove(tenant, unused, None)
        return UnusedBlobs(is_all=len(rows) < limit, freed_bytes=freed)

    def remove_of_tenant(self, tenant: TenantName, purge_id: UUID, limit: int) -> int | None:
        """Remove up to `limit` blobs of a tenant that is being purged, and the references to them.

        Returns:
            The stored size in bytes of the removed blobs; None if no blob is left.
        """
        rows = (
            self._connection.execute(_OF_TENANT, {"tenant_name": tenant.value, "limit": limit})
            .mappings()
            .all()
        )
        if not rows:
            return None
        for these in _parts(tenant, [row["sha256"] for row in rows]):
            self._connection.execute(_REMOVE_REFERENCES_TO, these)
        return self._remove(tenant, rows, purge_id)

    def _add(self, tenant: TenantName, new: Sequence[BlobRef]) -> None:
        if not new:
            return
        rows = [
            {"tenant": tenant.value, "sha256": blob.sha256, "size": blob.size, "is_stored": False}
            for blob in new
        ]
        if not inserted(lambda: self._connection.execute(_ADD, rows)):
            raise ConcurrencyConflict("another transaction has recorded the same file")

    def _remove(self, tenant: TenantName, rows: Sequence[sa.RowMapping], purge_id: UUID | None) -> int:
        digests = [row["sha256"] for row in rows]
        for these in _parts(tenant, digests):
            self._connection.execute(_REMOVE, these)
        objects = [(StoreName.CODE, blob_key(tenant, digest).value) for digest in digests]
        note_deletions(self._connection, objects, purge_id)
        return sum(row["size"] for row in rows if row["is_stored"])


def _parts(tenant: TenantName, digests: Collection[str]) -> Iterator[Mapping[str, object]]:
    """Yield statement parameters for chunks of a tenant's blobs."""
    in_order = sorted(digests)
    for first in range(0, len(in_order), _AT_ONCE):
        yield {"tenant_name": tenant.value, "digests": in_order[first : first + _AT_ONCE]}


def _by_tenant(
    rows: Sequence[sa.RowMapping],
) -> Mapping[TenantName, Sequence[sa.RowMapping]]:
    grouped: dict[TenantName, list[sa.RowMapping]] = defaultdict(list)
    for row in rows:
        grouped[TenantName(row["tenant"])].append(row)
    return grouped
