"""Checks of a JSON text that decoders omit: duplicate names, depth and size. Also lists the root's names."""

import re
from collections.abc import Iterator, Sequence

import msgspec

_STRUCTURE = re.compile(rb"[{}\[\],]")
_BLANKS = b" \t\r\n"
# Placeholders for escaped backslashes and quotes while strings are split: these bytes do not occur in UTF-8.
_BACKSLASH, _QUOTE = b"\xfe", b"\xff"
MAX_DEPTH = 64
# Strings, brackets and commas: far more than the largest valid body has, checked in a tenth of a second.
MAX_TOKENS = 100_000


class UnwantedMember(Exception):
    """A place in a JSON text that is refused, though it is valid JSON.

    Attributes:
        path: The path to the place: names, and indexes in arrays.
    """

    def __init__(self, path: Sequence[str], detail: str) -> None:
        super().__init__(detail)
        self.path = path


class _Level:
    """An object or array that is being read: the step to its current item, and an object's names."""

    __slots__ = ("names", "step")

    def __init__(self, *, is_object: bool) -> None:
        self.names: dict[str, None] | None = {} if is_object else None
        self.step: str | int = 0

    def next_item(self) -> None:
        if isinstance(self.step, int):
            self.step += 1


def members(text: bytes, max_tokens: int = MAX_TOKENS) -> Sequence[str]:
    """Return the names of the root object's members, in order; empty if the root is not an object.

    Args:
        text: JSON that a decoder has accepted; the result for other text is undefined.
        max_tokens: The maximum number of values.

    Raises:
        UnwantedMember: An object has duplicate names, whose meaning is unpredictable (RFC 8259, 4), or the
            text has more than `max_tokens` values or more than `MAX_DEPTH` levels.
    """
    outermost = _Level(is_object=False)
    levels = [outermost]
    root: Sequence[str] = ()
    for number, (token, name) in enumerate(_tokens(text, max_tokens)):
        if number == max_tokens:
            raise UnwantedMember((), f"has more than {max_tokens} values")
        match token:
            case b'"':
                if name is not None:
                    _name(levels, name)
            case b",":
                levels[-1].next_item()
            case b"{" | b"[" as bracket:
                if len(levels) > MAX_DEPTH:
                    raise UnwantedMember(_path(levels), f"is nested deeper than {MAX_DEPTH} levels")
                levels.append(_Level(is_object=bracket == b"{"))
            case _:
                root = tuple(levels.pop().names or ())
                levels = levels or [outermost]
    return root


def _tokens(text: bytes, max_tokens: int) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield each bracket and comma, and for each string a quote, with its text if it is a member's name."""
    plain = text.replace(b"\\\\", _BACKSLASH).replace(b'\\"', _QUOTE)
    # Alternately outside and inside strings; the rest after the maximum number of strings is not split.
    parts = plain.split(b'"', 2 * max_tokens + 1)
    for index, part in enumerate(parts):
        if index % 2:
            after = parts[index + 1] if index + 1 < len(parts) else b""
            yield b'"', part if after.lstrip(_BLANKS).startswith(b":") else None
        else:
            for token in _STRUCTURE.finditer(part):
                yield token[0], None


def _name(levels: Sequence[_Level], text: bytes) -> None:
    level = levels[-1]
    if level.names is None:
        return
    text = text.replace(_QUOTE, b'\\"').replace(_BACKSLASH, b"\\\\")
    name: str = msgspec.json.decode(b'"%s"' % text) if b"\\" in text else text.decode("utf-8", "replace")
    level.step = name
    if name in level.names:
        raise UnwantedMember(_path(levels), "is given twice")
    level.names[name] = None


def _path(levels: Sequence[_Level]) -> Sequence[str]:
    return [str(level.step) for level in levels[1:]]
