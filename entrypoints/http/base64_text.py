"""Bytes as Base64 text."""

import base64
import binascii

from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.files import shown


def decode_base64(field: str, given: str, path: str | None = None) -> bytes:
    """Return the bytes that a Base64 text encodes.

    Args:
        field: The field that contains the text, for the error.
        given: The text.
        path: The file whose content the text is, for the error.

    Raises:
        InvalidValue: The text is not Base64.
    """
    try:
        return base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        place = "" if path is None else f"{shown(path)} "
        raise InvalidValue(field, text("problems.base64", place=place)) from None
