"""Bytes in texts, in Base64."""

import base64
import binascii

from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.files import shown


def decode_base64(field: str, given: str, path: str | None = None) -> bytes:
    """Return the bytes of a text.

    Args:
        field: The field that has the text, for the error.
        given: The text.
        path: The file whose content it is.

    Raises:
        InvalidValue: It is no Base64.
    """
    try:
        return base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        place = "" if path is None else f"{shown(path)} "
        raise InvalidValue(field, text("problems.base64", place=place)) from None
