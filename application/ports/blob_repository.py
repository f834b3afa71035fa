"""The port to the records of blobs and their owners."""

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
        missing: The blobs that have to be stored.
        in_removal: The blobs whose earlier object is being deleted now; they have to be announced again.
    """

    missing: frozenset[BlobRef]
    in_removal: frozenset[BlobRef]


class BlobRepository(ABC):
    """The blobs of tenants, and the references to them.

    An upload announces its blobs, which protects them from removal for some hours. It stores the missing
    ones, and refers to all of them in the transaction that stores their owner.
    `PurgeRepository.remove_unused_blobs` removes blobs without references.
    """

    @abstractmethod
    def announce(self, tenant: TenantName, blobs: Collection[BlobRef]) -> Announcement:
        """Record blobs that are about to be stored and referred to.

        The scheduled deletion of an object is cancelled, unless a process is already deleting it.
        """

    @abstractmethod
    def refer(self, tenant: TenantName, owner: UUID, blobs: Collection[BlobRef]) -> int:
        """Record that a new owner, such as a job, has blobs that were announced.

        Returns:
            The size of the blobs that the tenant did not have before; they now count as stored bytes.

        Raises:
            StorageUnavailable: A blob was removed because it was announced too long ago.
        """

    @abstractmethod
    def withdraw(self, tenant: TenantName, blobs: Collection[BlobRef]) -> None:
        """Let announced blobs be removed soon, unless they were ever referred to or are announced again."""

    @abstractmethod
    def release(self, owners: Collection[UUID]) -> None:
        """Remove the references of owners that are removed in this transaction."""
