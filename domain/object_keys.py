"""Object keys that this service creates, and the owners of the objects."""

import re
from dataclasses import dataclass
from uuid import UUID

from domain.tenant import DEFAULT_TENANT, TenantName
from domain.values import JobId, ObjectKey

_TENANT = r"(?:tenants/(?P<tenant>[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)/)?"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-%d[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
# Other software that shares a bucket may use similar keys, but not with this UUID version digit.
_CODE = re.compile(rf"{_TENANT}[^/]+/(?P<job>{_UUID % 7})(?:\.[a-z0-9]+)?")
_BLOB = re.compile(rf"{_TENANT}blobs/(?P<part>[0-9a-f]{{2}})/(?P<sha256>(?P=part)[0-9a-f]{{62}})")
_LOG = re.compile(rf"{_TENANT}logs/{_UUID % 5}\.json")


@dataclass(frozen=True, slots=True)
class JobObject:
    """The code of a job."""

    job_id: JobId


@dataclass(frozen=True, slots=True)
class BlobObject:
    """A blob of a tenant."""

    tenant: TenantName
    sha256: str


def owner_of_code(key: ObjectKey) -> JobObject | BlobObject | None:
    """Return the owner of an object in the code store by its key; None for keys of another form."""
    if found := _BLOB.fullmatch(key.value):
        tenant = found["tenant"]
        return BlobObject(DEFAULT_TENANT if tenant is None else TenantName(tenant), found["sha256"])
    if found := _CODE.fullmatch(key.value):
        return JobObject(JobId(UUID(found["job"])))
    return None


def is_own_log(key: ObjectKey) -> bool:
    """Return whether a key has the form of logs that this service writes."""
    return _LOG.fullmatch(key.value) is not None
