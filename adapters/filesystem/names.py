"""Names of the segments of object keys on disk.

Most segments are their own names. A name that begins with `~` is one that this module made: no segment is
taken for it, since a segment that itself begins with `~` is renamed too. So two keys never share a file, on a
file system that compares names byte by byte, as Linux's do.
"""

import hashlib
import re
from collections.abc import Sequence

from domain.values import ObjectKey, parse_object_key

MADE = "~"
# The directories of files that are not whole yet: for objects, and for results.
OBJECT_DRAFTS, RESULT_DRAFTS = DRAFTS = (f"{MADE}incoming", "incoming")
# NAME_MAX of Linux: bytes in a file's name.
_NAME_MAX_BYTES = 255
_SPREAD_DIGITS = 3
# An id that begins with its time, and the characters of that which count four seconds.
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7")
_TIME_CHARS = 10
_SPREAD = re.compile(rf"{MADE}[0-9a-f]{{{_SPREAD_DIGITS}}}")
# Enough of the segment for people to know it by.
_KEPT_BYTES = 120


def spread_names(key: ObjectKey) -> Sequence[str]:
    """Return a key's directories and its file, in one of 4,096 directories more.

    So a directory has some thousand files when ten million objects have keys of the same beginning. Ids that
    are made in the same four seconds, such as those of a batch, are in one of them: that takes less time.
    """
    *directories, name = names_on_disk(key)
    spread_by = name[:_TIME_CHARS] if _ID.match(name) else name
    digest = hashlib.sha256(spread_by.encode(errors="surrogatepass")).hexdigest()
    return [*directories, f"{MADE}{digest[:_SPREAD_DIGITS]}", name]


def key_of_names(names: Sequence[str]) -> ObjectKey | None:
    """Return the key that has these directories and this file; None of a name from which none follows."""
    *directories, name = names
    if directories and _SPREAD.fullmatch(directories[-1]):
        directories = directories[:-1]
    segments = [*directories, name]
    if any(segment.startswith(MADE) for segment in segments):
        return None
    return parse_object_key("/".join(segments))


def names_on_disk(key: ObjectKey) -> Sequence[str]:
    """Return a key's directories and, last, its file."""
    return [_name(segment) for segment in key.value.split("/")]


def _name(segment: str) -> str:
    encoded = segment.encode(errors="surrogatepass")
    if len(encoded) <= _NAME_MAX_BYTES and _is_plain(segment):
        return segment
    kept = encoded[:_KEPT_BYTES].decode(errors="ignore")
    return f"{MADE}{hashlib.sha256(encoded).hexdigest()}-{kept if kept.isprintable() else ''}"


def _is_plain(segment: str) -> bool:
    """Whether a segment may be a name as it is. A valid key has no dotted one; here nothing hangs on that."""
    return segment.isprintable() and segment not in {"", ".", ".."} and not segment.startswith(MADE)
