"""The text style at a position of an output, set by the sequences before it (SGR, ECMA-48 8.3.117)."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

_ESCAPE = b"\x1b"
# Terminals ignore longer sequences, and so do the pages.
MAX_SEQUENCE_BYTES = 256
# For colorful output, only the last sequences of a block are considered, up to this many bytes in all.
_MAX_FOLLOWED_BYTES = 4096
_SEQUENCES = re.compile(rb"\x1b\[([0-9;:]{0,254})m")
_FOREGROUND, _BACKGROUND = "foreground", "background"
_COLOURS = {
    **dict.fromkeys((*range(30, 39), *range(90, 98)), _FOREGROUND),
    **dict.fromkeys((*range(40, 49), *range(100, 108)), _BACKGROUND),
}
_SETS = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 21: "underline", 7: "reverse", 9: "strike"}
_ENDS = {
    22: ("bold", "dim"),
    23: ("italic",),
    24: ("underline",),
    27: ("reverse",),
    29: ("strike",),
    39: (_FOREGROUND,),
    49: (_BACKGROUND,),
}
# The kinds of an extended color: from a palette, or of red, green and blue.
_PALETTE, _MIXED = 5, 2
_VALUES = {_PALETTE: 1, _MIXED: 3}
_EXTENDED = {38: _FOREGROUND, 48: _BACKGROUND, 58: ""}
_MAX_VALUE = 255


class TextStyle:
    """The style that sequences have set, as parameters of a single sequence."""

    def __init__(self) -> None:
        self._set: dict[str, str] = {}

    @property
    def parameters(self) -> str:
        """The parameters of the sequence that sets this style; empty without a style."""
        return ";".join(self._set.values())

    def read(self, text: bytes) -> None:
        """Apply the sequences of a text, in linear time."""
        # Of equal sequences only the last one matters.
        latest, followed = [], 0
        for sequence in dict.fromkeys(reversed(_SEQUENCES.findall(text))):
            followed += len(sequence) + 1
            if followed > _MAX_FOLLOWED_BYTES:
                break
            latest.append(sequence)
        for sequence in reversed(latest):
            self._follow(iter(sequence.decode().split(";")))

    def _follow(self, codes: Iterator[str]) -> None:
        for code in codes:
            kind, _, rest = code.partition(":")
            number = int(kind or 0)
            if number in _EXTENDED:
                self._colour(number, code, rest, codes)
            elif number == 0:
                self._set.clear()
            elif number in _ENDS or code == "4:0":
                for name in _ENDS.get(number, ("underline",)):
                    self._set.pop(name, None)
            elif slot := _SETS.get(number) or _COLOURS.get(number):
                self._set[slot] = code

    def _colour(self, number: int, code: str, rest: str, codes: Iterator[str]) -> None:
        if rest:
            if not _is_colour([int(value or 0) for value in rest.split(":")]):
                return
        else:
            kind = next(codes, "")
            count = _VALUES.get(int(kind.partition(":")[0] or 0), 0)
            values = list(islice(codes, count))
            if not count or len(values) < count or not all(map(_is_byte, values)):
                return
            code = ";".join([code, kind, *values])
        if slot := _EXTENDED[number]:
            self._set[slot] = code


def with_sequence_begun(text: bytes, end: int) -> bytes:
    """Return a text up to `end`, extended to the end of a sequence that begins before it."""
    following = text.find(_ESCAPE, end)
    return text if following < 0 else text[:following]


def _is_colour(values: Sequence[int]) -> bool:
    """Whether a color in one parameter is complete: from a palette, or three values after a color space."""
    kind, *given = values
    count = _VALUES.get(kind, 0)
    wanted = given[1 : count + 1] if kind == _MIXED and len(given) > count else given[:count]
    return 0 < count == len(wanted) and max(wanted) <= _MAX_VALUE


def _is_byte(value: str) -> bool:
    return int(value.partition(":")[0] or 0) <= _MAX_VALUE
