"""Sealing with AES-256-GCM (NIST SP 800-38D), as envelope encryption.

The variables are encrypted with a new key of their own, and this key is encrypted with a key from the
settings, bound to the owner. A job can therefore pass its variables on without decrypting them.
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from application.errors import SecretsUnavailable
from application.ports.secret_sealer import SecretSealer
from domain.sealed_secrets import SealedSecrets

KEY_BYTES = 32
_NONCE_BYTES = 12
# The purpose of a ciphertext, used as additional authenticated data (SP 800-38D).
_BOX = b"service-server secret_env"
_SETTING = "SERVICE_SERVER_SEALING_KEYS"


class AesGcmSealer(SecretSealer):
    """Seals with the first key and opens with any of the keys.

    Each ciphertext has a random nonce of 96 bits, so a key from the settings suffices for 2**32 jobs (SP
    800-38D, 8.3).

    Args:
        keys: The keys by name, newest first; empty to refuse secrets.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}

    def seal(self, owner: UUID, variables: Mapping[str, str]) -> SealedSecrets:
        """Seal variables for an owner."""
        key = AESGCM.generate_key(8 * KEY_BYTES)
        content = json.dumps(dict(variables)).encode()
        return self._wrapped(key, owner, _encrypted(AESGCM(key), content, _BOX))

    def pass_on(self, secrets: SealedSecrets, owner: UUID, successor: UUID) -> SealedSecrets:
        """Seal the box's key again for another owner, without decrypting the box."""
        return self._wrapped(self._unwrapped(owner, secrets), successor, secrets.box)

    def open(self, owner: UUID, secrets: SealedSecrets) -> Mapping[str, str]:
        """Decrypt and return the variables of an owner."""
        cipher = AESGCM(self._unwrapped(owner, secrets))
        variables: dict[str, str] = json.loads(_decrypted(cipher, secrets.box, _BOX, secrets.key_id))
        return variables

    def _wrapped(self, key: bytes, owner: UUID, box: str) -> SealedSecrets:
        if not self._ciphers:
            raise SecretsUnavailable(f"secrets are rejected because {_SETTING} has no key to seal them")
        key_id, cipher = next(iter(self._ciphers.items()))
        return SealedSecrets(key_id, _encrypted(cipher, key, _bound_to(owner)), box)

    def _unwrapped(self, owner: UUID, secrets: SealedSecrets) -> bytes:
        cipher = self._ciphers.get(secrets.key_id)
        if cipher is None:
            raise SecretsUnavailable(
                f"the secrets are sealed with the key '{secrets.key_id}', which is not in {_SETTING}"
            )
        return _decrypted(cipher, secrets.wrapped_key, _bound_to(owner), secrets.key_id)


def _bound_to(owner: UUID) -> bytes:
    return f"service-server key of job {owner}".encode()


def _encrypted(cipher: AESGCM, content: bytes, bound_to: bytes) -> str:
    nonce = os.urandom(_NONCE_BYTES)
    return base64.b64encode(nonce + cipher.encrypt(nonce, content, bound_to)).decode()


def _decrypted(cipher: AESGCM, text: str, bound_to: bytes, key_id: str) -> bytes:
    try:
        sealed = base64.b64decode(text, validate=True)
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError, binascii.Error):
        raise SecretsUnavailable(
            "the secrets cannot be decrypted: they belong to another job or webhook, were altered, or the "
            f"key '{key_id}' of {_SETTING} is not the key that sealed them"
        ) from None
