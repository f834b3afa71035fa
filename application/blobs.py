"""The blobs of tenants, stored once per content, before the transactions that refer to them."""

import logging
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from application.errors import DependencyUnavailable, StorageUnavailable
from application.new_files import BlobContent
from application.ports.blob_repository import Announcement
from application.ports.object_store import ObjectStore
from application.ports.unit_of_work import UnitOfWork
from application.retry_policy import RetryPolicy
from domain.blob import BlobRef
from domain.tenant import TenantName

logger = logging.getLogger("service_server.blobs")

BLOB_CONTENT_TYPE = "application/octet-stream"
# An object store takes some ten milliseconds per object, so that several are stored at once.
_STORED_AT_ONCE = 8
# The deletion of an object takes no longer than this, unless its process was killed.
_REMOVAL_RETRY = RetryPolicy((0.1, 0.2, 0.5, 1.0, 2.0))


class Blobs:
    """Stores and reads blobs.

    * A blob that a tenant already has is not stored again.
    * A stored blob is kept for some hours. In that time the transaction of its owner must refer to it
      (`transaction.blobs.refer`); then it is kept as long as it has an owner.
    * If the transaction is refused, the blobs stored for it are withdrawn: they are removed soon.

    Args:
        removal_retry: The delays between checks whether an earlier object with the same content is deleted.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        code_store: ObjectStore,
        removal_retry: RetryPolicy = _REMOVAL_RETRY,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._code_store = code_store
        self._removal_retry = removal_retry

    def announce(self, tenant: TenantName, blobs: frozenset[BlobRef]) -> frozenset[BlobRef]:
        """Protect blobs from removal for some hours; return the ones that have to be stored.

        Raises:
            StorageUnavailable: Earlier objects with the same content are being deleted.
            DependencyUnavailable: The database is unavailable.
        """
        return self._removal_retry(lambda: self._announce(tenant, blobs))

    def store(self, tenant: TenantName, contents: Mapping[BlobRef, BlobContent]) -> None:
        """Store announced blobs.

        Args:
            tenant: Their owner.
            contents: Their bytes, or functions that open a file with the bytes.

        Raises:
            StorageUnavailable: The store is unavailable.
        """
        done: Sequence[Future[None]] = ()
        if len(contents) > 1:
            try:
                with ThreadPoolExecutor(_STORED_AT_ONCE, thread_name_prefix="store-blob") as threads:
                    done = [threads.submit(self._put, tenant, *each) for each in contents.items()]
            except RuntimeError as error:  # a result must not be lost for lack of a thread
                logger.warning("files are stored one by one: %s", error)
        for each in done:
            each.result()
        if not done:
            for blob, content in contents.items():
                self._put(tenant, blob, content)

    def withdraw(self, tenant: TenantName, blobs: Collection[BlobRef]) -> None:
        """Let the blobs of a refused command be removed soon, because no quota counts them."""
        if not blobs:
            return
        try:
            self._unit_of_work.run(lambda t: t.blobs.withdraw(tenant, blobs))
        except DependencyUnavailable as error:
            logger.warning("%d files without a job are kept for some hours: %s", len(blobs), error)

    def put(self, tenant: TenantName, contents: Mapping[BlobRef, BlobContent]) -> None:
        """Announce blobs, and store the missing ones.

        Raises:
            StorageUnavailable: As for `announce` and `store`.
            DependencyUnavailable: The database is unavailable.
        """
        missing = self.announce(tenant, frozenset(contents))
        self.store(tenant, {blob: contents[blob] for blob in sorted(missing)})

    def read(self, tenant: TenantName, blob: BlobRef) -> bytes:
        """Return the bytes of a blob.

        Raises:
            NotFound: It is no longer in the store.
            StorageUnavailable: The store is unavailable or returns other bytes.
        """
        return read_blob(self._code_store, tenant, blob)

    def _announce(self, tenant: TenantName, blobs: frozenset[BlobRef]) -> frozenset[BlobRef]:
        if not blobs:
            return frozenset()
        announcement: Announcement = self._unit_of_work.run(lambda t: t.blobs.announce(tenant, blobs))
        if announcement.in_removal:
            raise StorageUnavailable("an earlier copy of an uploaded file is being deleted")
        return announcement.missing

    def _put(self, tenant: TenantName, blob: BlobRef, content: BlobContent) -> None:
        if isinstance(content, bytes):
            self._code_store.put(blob.key(tenant), content, BLOB_CONTENT_TYPE)
            return
        with content() as file:
            self._code_store.put(blob.key(tenant), file, BLOB_CONTENT_TYPE)


def read_blob(store: ObjectStore, tenant: TenantName, blob: BlobRef) -> bytes:
    """Return the bytes of a blob from the code store.

    Raises:
        NotFound: It is no longer in the store.
        StorageUnavailable: The store is unavailable or returns other bytes.
    """
    key = blob.key(tenant)
    content = store.get(key, blob.size)
    if BlobRef.of(content) != blob:
        raise StorageUnavailable(f"object '{key}' has other bytes than were stored")
    return content
