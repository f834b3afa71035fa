"""Secrets as they are stored."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class SealedSecrets:
    """Secrets of a job, a batch or a webhook: encrypted, and readable only with a key from the settings.

    Attributes:
        key_id: The name of the key that `wrapped_key` is sealed with.
        wrapped_key: The encryption key of `box`, sealed for one owner.
        box: The encrypted names and values.
    """

    key_id: str
    wrapped_key: str
    box: str
