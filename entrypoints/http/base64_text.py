"""Bytes in texts, in Base64."""

import base64
import binascii

from domain.errors import InvalidValue
from domain.files import shown


def decode_base64(field: str, text: str, path: str | None = None) -> bytes:
    """Return the bytes of a text.

    Args:
        field: The field that has the text, for the error.
        text: The text.
        path: The file whose content it is.

    Raises:
        InvalidValue: It is no Base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        place = "" if path is None else f"{shown(path)} "
        raise InvalidValue(field, f"{place}is not Base64 with padding (RFC 4648, 4)") from None
