"""Blobs: bytes that callers bring beside code, known by their content."""

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
    """A reference to bytes by their content: a tenant stores equal ones once.

    Attributes:
        sha256: The digest, in lower-case hexadecimal digits.
        size: The number of bytes.

    Raises:
        InvalidValue: The digest is none, or the size is below zero.
    """

    sha256: str
    size: int

    def __post_init__(self) -> None:
        if len(self.sha256) != SHA256_CHARS or not _HEXADECIMAL.issuperset(self.sha256) or self.size < 0:
            raise InvalidValue("sha256", text("problems.blob"))

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return the reference to some bytes."""
        return cls(hashlib.sha256(content).hexdigest(), len(content))

    def key(self, tenant: TenantName) -> ObjectKey:
        """Return the key of the bytes in the code store."""
        return blob_key(tenant, self.sha256)


def blob_key(tenant: TenantName, sha256: str) -> ObjectKey:
    """Return the key of a tenant's bytes of some digest in the code store.

    It has three segments after the tenant's prefix, and the key of code has two.
    """
    return ObjectKey(f"{tenant.key_prefix}blobs/{sha256[:2]}/{sha256}")
