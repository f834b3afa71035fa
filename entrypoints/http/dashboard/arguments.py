"""A program's arguments in one line, in a shell's syntax of words and quotes."""

import re
import shlex
from collections.abc import Sequence

from domain.catalogue.text import text
from domain.errors import InvalidValue

# The parts of a word: plain characters, single-quoted, double-quoted, and a character after a backslash. The
# parts begin differently, and matching does not backtrack, so the time is linear.
_PART = re.compile(r"""([^\s'"\\]++)|'([^']*+)'|"((?:[^"\\]|\\.)*+)"|\\(.)|(\s++)""", re.DOTALL)
_ESCAPED = re.compile(r'\\([$`"\\])')


def split_arguments(line: str) -> tuple[str, ...]:
    """Split a line into arguments, without expansion of variables or file patterns.

    Raises:
        InvalidValue: A quote is not closed, or the line ends with a backslash.
    """
    words: list[list[str]] = [[]]
    place = 0
    while place < len(line):
        part = _PART.match(line, place)
        if part is None:
            raise InvalidValue("args", text("problems.quotes"))
        plain, single, double, escaped, space = part.groups()
        if space is not None:
            words.append([])
        elif double is not None:
            words[-1].append(_ESCAPED.sub(r"\1", double))
        else:
            words[-1].append(plain or single or escaped or "")
        place = part.end()
    return tuple("".join(word) for word in words if word)


def join_arguments(arguments: Sequence[str]) -> str:
    """Join arguments so that `split_arguments` returns the same."""
    return shlex.join(arguments)
