"""Arguments of a program in one line, as a shell reads them: words, some of them in quotes."""

import re
import shlex
from collections.abc import Sequence

from domain.catalogue.text import text
from domain.errors import InvalidValue

# The parts of a word: plain characters, in single quotes, in double quotes, and one after a backslash. No
# part begins as another does, and none is given up once it is read: the time is linear.
_PART = re.compile(r"""([^\s'"\\]++)|'([^']*+)'|"((?:[^"\\]|\\.)*+)"|\\(.)|(\s++)""", re.DOTALL)
_ESCAPED = re.compile(r'\\([$`"\\])')


def split_arguments(line: str) -> tuple[str, ...]:
    """Read arguments. Nothing is expanded: neither variables nor patterns of files.

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
    """Write arguments so that `split_arguments` reads the same."""
    return shlex.join(arguments)
