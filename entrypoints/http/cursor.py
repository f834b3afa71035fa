"""Cursors as opaque text that is safe in a URL."""

import base64
import binascii
import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID

from application.views import Cursor
from domain.errors import InvalidValue
from domain.values import JobId

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = struct.Struct(">q16s")  # microseconds since the epoch, and the job's id


def write_cursor(cursor: Cursor) -> str:
    """Encode a cursor."""
    microseconds = (cursor.created_at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(_FORM.pack(microseconds, cursor.job_id.bytes)).decode()


def read_cursor(text: str) -> Cursor:
    """Decode a cursor.

    Raises:
        InvalidValue: The text is not from `write_cursor`.
    """
    try:
        microseconds, job_id = _FORM.unpack(base64.b64decode(text, altchars=b"-_", validate=True))
        return Cursor(_EPOCH + timedelta(microseconds=microseconds), JobId(UUID(bytes=job_id)))
    except (binascii.Error, struct.error, OverflowError, ValueError):
        raise InvalidValue("cursor", "is not one that a Link header of this service gave") from None
