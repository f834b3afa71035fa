from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from application.errors import StorageUnavailable
from application.ports.blob_repository import Announcement, BlobRepository
from application.ports.purge_repository import StoreName
from domain.blob import BlobRef
from domain.tenant import TenantName
from tests.support.memory.database import StoredBlob, Tables

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class MemoryBlobRepository(BlobRepository):
    """The blobs in a transaction's tables."""

    def __init__(self, tables: Tables, now: Callable[[], datetime]) -> None:
        self._tables = tables
        self._now = now

    def announce(self, tenant: TenantName, blobs: Collection[BlobRef]) -> Announcement:
        """Record blobs that are about to be stored and referred to."""
        missing, in_removal = set(), set()
        for blob in blobs:
            known = self._tables.blobs.get((tenant, blob.sha256))
            digest = f"{StoreName.CODE}:{blob.key(tenant)}"
            deletion = self._tables.deletions.get(digest) if known is None else None
            if deletion is not None and deletion.taken_at is not None:
                in_removal.add(blob)
                continue
            if deletion is not None:
                del self._tables.deletions[digest]
            if known is None:
                known = StoredBlob(size=blob.size, is_stored=False, idle_since=self._now())
            elif known.idle_since is not None:
                known = replace(known, idle_since=self._now())
            self._tables.blobs[tenant, blob.sha256] = known
            if not known.is_stored:
                missing.add(blob)
        return Announcement(frozenset(missing), frozenset(in_removal))

    def refer(self, tenant: TenantName, owner: UUID, blobs: Collection[BlobRef]) -> int:
        """Record the blobs of a new owner; return the size of the blobs that had no reference before."""
        added = 0
        for digest in {blob.sha256 for blob in blobs}:
            known = self._tables.blobs.get((tenant, digest))
            if known is None:
                raise StorageUnavailable("a file of the upload was removed before its job was stored")
            added += 0 if known.is_stored else known.size
            self._tables.blobs[tenant, digest] = replace(known, is_stored=True, idle_since=None)
            self._tables.blob_references.add((tenant, digest, owner))
        return added

    def withdraw(self, tenant: TenantName, blobs: Collection[BlobRef]) -> None:
        """Let announced blobs be removed soon."""
        for blob in blobs:
            known = self._tables.blobs.get((tenant, blob.sha256))
            if known is not None and not known.is_stored:
                self._tables.blobs[tenant, blob.sha256] = replace(known, idle_since=_LONG_AGO)

    def release(self, owners: Collection[UUID]) -> None:
        """Remove the references of owners that are removed in this transaction."""
        theirs = {reference for reference in self._tables.blob_references if reference[2] in owners}
        self._tables.blob_references.difference_update(theirs)
        for tenant, digest, _owner in theirs:
            blob = self._tables.blobs[tenant, digest]
            self._tables.blobs[tenant, digest] = replace(blob, idle_since=self._now())
