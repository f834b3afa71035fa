"""Phrases in the output of programs.

Phrases are plain words, because a regular expression may take very long for a text that was made for it.
"""

from collections.abc import Iterable

_BEGINNING = "^"
_ANYTHING = " * "
_END = "\n"


def says(text: str, phrases: Iterable[str]) -> bool:
    """Whether a line of a text contains one of the phrases.

    Args:
        text: Any text; the time is linear in its length.
        phrases: Literal words. Between words, ` * ` matches anything; a leading `^` matches the beginning of
            the line.
    """
    return bool(text) and any(_is_in(text, phrase.split(_ANYTHING)) for phrase in phrases)


def _is_in(text: str, parts: list[str]) -> bool:
    """Whether a line has all parts. Searches the text for the first part, as there may be a million lines."""
    first, *rest = parts
    begins = first.startswith(_BEGINNING)
    first = first.removeprefix(_BEGINNING)
    place = text.find(first)
    while place >= 0:
        end = text.find(_END, place)
        end = len(text) if end < 0 else end
        is_there = not begins or place == 0 or text[place - 1] == _END
        if is_there and _follow(text, rest, place + len(first), end):
            return True
        place = text.find(first, end + 1)
    return False


def _follow(text: str, parts: list[str], place: int, end: int) -> bool:
    """Whether the parts of a phrase occur in order between two indices of a text."""
    for part in parts:
        place = text.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return True
