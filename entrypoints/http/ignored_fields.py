"""The header that names the fields of a legacy body that this service has no use for."""

from collections.abc import Sequence
from urllib.parse import quote

HEADER = "X-Ignored-Fields"
_MAX_NAMES = 16
_MAX_CHARS = 64
# What a token may have beside letters, digits and quote's own safe characters, but "%" (RFC 9110, 5.6.2).
_SAFE = "!#$&'*+^`|"
_MORE = "\N{HORIZONTAL ELLIPSIS}"


def ignored_fields(names: Sequence[str]) -> dict[str, str]:
    """Return the header, or none for no names.

    Names are separated by commas and percent-encoded as UTF-8. An ellipsis (`%E2%80%A6`) ends a name that is
    cut short, and stands for the names after the sixteenth; an empty name is a pair of quotes.
    """
    if not names:
        return {}
    shown = [_shown(name) for name in names[:_MAX_NAMES]]
    if len(names) > _MAX_NAMES:
        shown.append(quote(_MORE))
    return {HEADER: ", ".join(shown)}


def _shown(name: str) -> str:
    cut = name if len(name) <= _MAX_CHARS else name[:_MAX_CHARS] + _MORE
    return quote(cut, safe=_SAFE) or '""'
