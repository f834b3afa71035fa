"""Sealing of stored responses that contain a secret, with the credential of the caller."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12
_KEY_BYTES = 32
_PURPOSE = b"service-server idempotent answer"


class Unopened(Exception):
    """The text was sealed under another credential or name, or was changed."""


def seal(text: bytes, credential: bytes, name: bytes) -> bytes:
    """Seal a text with AES-256-GCM, under a key that HKDF derives from a credential of 256 random bits.

    The service stores no credentials, so its database alone cannot open the text.
    """
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _cipher(credential, name).encrypt(nonce, text, name)


def open_sealed(sealed: bytes, credential: bytes, name: bytes) -> bytes:
    """Open a text that `seal` returned.

    Raises:
        Unopened: The credential or the name is different, or the text was changed.
    """
    try:
        return _cipher(credential, name).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name)
    except (InvalidTag, ValueError) as error:
        raise Unopened from error


def _cipher(credential: bytes, name: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), _KEY_BYTES, salt=name, info=_PURPOSE).derive(credential))
