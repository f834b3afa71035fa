"""Phrases to be looked for in what programs write.

They are plain words: a regular expression may take any time over a text that was made for it.
"""

from collections.abc import Iterable

_BEGINNING = "^"
_ANYTHING = " * "


def says(text: str, phrases: Iterable[str]) -> bool:
    """Whether a line of a text has one of the phrases.

    Args:
        text: Any text; the time is linear in its length.
        phrases: Words that stand in a line as they are. Between some there may be ` * `, which stands for
            anything; a `^` before the first says that the line begins with them.
    """
    wanted = [phrase.split(_ANYTHING) for phrase in phrases]
    return any(_has(line, parts) for line in text.splitlines() for parts in wanted)


def _has(line: str, parts: list[str]) -> bool:
    first, *rest = parts
    if first.startswith(_BEGINNING):
        place = len(first) - 1 if line.startswith(first[1:]) else -1
    else:
        place = _behind(line, first, 0)
    for part in rest:
        if place < 0:
            return False
        place = _behind(line, part, place)
    return place >= 0


def _behind(line: str, part: str, place: int) -> int:
    found = line.find(part, place)
    return -1 if found < 0 else found + len(part)
