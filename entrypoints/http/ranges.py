"""Byte ranges of a representation (RFC 9110, 14)."""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=[ \t]*(?P<first>\d{0,18})-(?P<last>\d{0,18})[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of a representation: the positions of its first byte and after its last."""

    begin: int
    end: int

    def content_range(self, size: int) -> str:
        """Return the Content-Range header of this part of a representation of `size` bytes."""
        return f"bytes {self.begin}-{self.end - 1}/{size}"


class RangeNotSatisfiable(Exception):
    """The range begins after the end of the representation.

    Attributes:
        size: The size of the representation in bytes.
        headers: Its size, and its entity tag, with which a conditional request is answered first.
    """

    def __init__(self, size: int, tag: str) -> None:
        super().__init__(f"the range begins after the end of the content, which has {size} bytes")
        self.size = size
        self.headers = {"Content-Range": f"bytes */{size}", "ETag": tag}


def select_range(header: str | None, size: int, tag: str) -> ByteRange | None:
    """Return the part that a Range header requests, or None for the whole.

    A header that is malformed or requests several parts is ignored, as section 14.2 allows.

    Args:
        header: The value of the header.
        size: The size of the representation in bytes.
        tag: The entity tag of the representation.

    Raises:
        RangeNotSatisfiable: The range contains no byte of the representation.
    """
    asked = _RANGE.fullmatch(header or "")
    if asked is None or not (asked["first"] or asked["last"]):
        return None
    if not asked["first"]:
        begin, end = max(size - int(asked["last"]), 0), size
    else:
        begin = int(asked["first"])
        if asked["last"] and int(asked["last"]) < begin:
            return None
        end = min(int(asked["last"]) + 1, size) if asked["last"] else size
    if begin >= end:
        raise RangeNotSatisfiable(size, tag)
    return ByteRange(begin, end)
