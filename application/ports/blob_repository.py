"""The port to the records of blobs, and of the things that they belong to."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from domain.blob import BlobRef
from domain.tenant import TenantName


@dataclass(frozen=True, slots=True)
class Announcement:
    """The blobs of an upload that are not in the store.

    Attributes:
        missing: The ones to be stored.
        in_removal: The ones whose earlier object is being deleted at this moment. To be announced again.
    """

    missing: frozenset[BlobRef]
    in_removal: frozenset[BlobRef]


class BlobRepository(ABC):
    """The blobs of tenants, and the references to them.

    An upload announces its blobs, which keeps them from being removed for some hours, stores the ones that
    are missing, and refers to all of them in the transaction in which their owner is stored.
    `PurgeRepository.remove_unused_blobs` removes the ones that nothing refers to.
    """

    @abstractmethod
    def announce(self, tenant: TenantName, blobs: Collection[BlobRef]) -> Announcement:
        """Note blobs that are about to be stored and referred to.

        An object that is noted for deletion stays, unless a process deletes it already.
        """

    @abstractmethod
    def refer(self, tenant: TenantName, owner: UUID, blobs: Collection[BlobRef]) -> int:
        """Note that a new owner, a job or another thing that is stored, has blobs that were announced.

        Returns:
            The bytes of the blobs that nothing of the tenant had before: they count as stored from now on.

        Raises:
            StorageUnavailable: One is gone: it was announced too long ago.
        """

    @abstractmethod
    def release(self, owners: Collection[UUID]) -> None:
        """Forget the references of owners that are removed in this transaction."""
