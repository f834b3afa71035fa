"""Blobs: binary data beside a job's code, identified by its content."""

import hashlib
from dataclasses import dataclass
from typing import Self

from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.tenant import TenantName
from domain.values import ObjectKey

SHA256_CHARS = 64
_HEXADECIMAL = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True, order=True)
class BlobRef:
    """A reference to data by its content; a tenant stores equal data once.

    Attributes:
        sha256: The digest, in lower-case hexadecimal digits.
        size: The number of bytes.

    Raises:
        InvalidValue: The digest is malformed, or the size is negative.
    """

    sha256: str
    size: int

    def __post_init__(self) -> None:
        if len(self.sha256) != SHA256_CHARS or not _HEXADECIMAL.issuperset(self.sha256) or self.size < 0:
            raise InvalidValue("sha256", text("problems.blob"))

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return the reference to the given bytes."""
        return cls(hashlib.sha256(content).hexdigest(), len(content))

    def key(self, tenant: TenantName) -> ObjectKey:
        """Return the key of the blob in the code store."""
        return blob_key(tenant, self.sha256)


def blob_key(tenant: TenantName, sha256: str) -> ObjectKey:
    """Return the key of a tenant's blob in the code store.

    After the tenant's prefix it has three segments, whereas the key of code has two.
    """
    return ObjectKey(f"{tenant.key_prefix}blobs/{sha256[:2]}/{sha256}")
