import hashlib

import pytest

from domain.blob import BlobRef
from domain.errors import InvalidValue
from domain.tenant import DEFAULT_TENANT, TenantName

DIGEST = hashlib.sha256(b"content").hexdigest()


def test_equal_bytes_have_one_reference():
    assert BlobRef.of(b"content") == BlobRef(DIGEST, 7)
    assert BlobRef.of(b"") != BlobRef.of(b"content")


def test_a_key_begins_with_the_tenants_prefix():
    assert BlobRef.of(b"content").key(DEFAULT_TENANT).value == f"blobs/{DIGEST[:2]}/{DIGEST}"
    assert BlobRef.of(b"content").key(TenantName("acme")).value.startswith("tenants/acme/blobs/")


@pytest.mark.parametrize(
    "digest", ["", "a" * 63, "A" * 64, "g" * 64, "../" * 21 + "a", "\N{FULLWIDTH DIGIT ONE}" * 64]
)
def test_a_digest_is_64_hexadecimal_digits(digest):
    with pytest.raises(InvalidValue):
        BlobRef(digest, 1)


def test_a_size_is_not_below_zero():
    with pytest.raises(InvalidValue):
        BlobRef(DIGEST, -1)
