"""The name of a Java program's source file, and the class that starts it.

javac requires a public type to be in a file of the same name (JLS 7.6), but callers may choose any names. The
source is scanned once, so the time is linear in its length for any content.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# A word or one other character. The alternatives exclude each other, so matching never backtracks.
_WORD = re.compile(r"\w+|[^\w\s]")
_STRING_STOPS = {'"': re.compile(r'["\\\n]'), "'": re.compile(r"['\\\n]")}
_TEXT_BLOCK = '"""'
_TEXT_BLOCK_STOPS = re.compile(r'\\|"""')
_DECLARES = frozenset({"class", "interface", "enum", "record"})
_MAIN = ("void", "main", "(")
_FALLBACK = "Main"
# A file name has at most 255 bytes with its extension, and a path at most 4096 (limits.h).
_LONGEST_NAME = 249
_LONGEST_PATH = 4000
# The number of characters that are scanned, at most. Sources written by hand are shorter.
_LOOKED_AT = 512 << 10


@dataclass(frozen=True, slots=True)
class JavaProgram:
    """The name of a program's source file without its extension, and the full name of its main class."""

    source_class: str
    main_class: str


@dataclass(slots=True)
class _Type:
    """A top-level type, and whether it has a static main method or an instance main method."""

    name: str
    is_public: bool
    has_static_main: bool = False
    has_main: bool = False


def inspect(code: str) -> JavaProgram:
    """Find the public type, which names the file, and the main class: the first type with a main method.

    A source that does not compile gets names with which javac reports the error.
    """
    outline = _Outline()
    for word in words(code[:_LOOKED_AT]):
        outline.take(word)
    if len(code) > _LOOKED_AT:
        outline.cut()
    types = outline.types
    source = next((each.name for each in types if each.is_public and _names_a_file(each.name)), _FALLBACK)
    with_main = [each.name for each in types if each.has_static_main]
    with_main += [source] if outline.has_main else []
    with_main += [each.name for each in types if each.has_main]
    main = next(iter([*with_main, *(each.name for each in types)]), _FALLBACK)
    name = "".join([*outline.package, ".", main]) if outline.package else main
    return JavaProgram(source, name if len(name.encode()) <= _LONGEST_PATH else _FALLBACK)


def _names_a_file(name: str) -> bool:
    return len(name.encode()) <= _LONGEST_NAME


def words(code: str) -> Iterator[str]:
    """Split a source into words and symbols, without comments, string literals and character literals."""
    place = 0
    while (match := _WORD.search(code, place)) is not None:
        word, place = match[0], match.end()
        if word == "/" and code.startswith(("/", "*"), place):
            place = _end(code, "\n" if code[place] == "/" else "*/", place + 1)
        elif word in _STRING_STOPS:
            is_block = code.startswith(_TEXT_BLOCK, match.start())
            place = _after_text_block(code, place + 2) if is_block else _after_string(code, word, place)
        else:
            yield word


def _end(code: str, mark: str, place: int) -> int:
    """Return the index after a mark, or the end of the source."""
    found = code.find(mark, place)
    return len(code) if found < 0 else found + len(mark)


def _after_string(code: str, quote: str, place: int) -> int:
    """Return the index after an open string or character literal, which ends with its line at the latest."""
    while (stop := _STRING_STOPS[quote].search(code, place)) is not None:
        if stop[0] != "\\":
            return stop.end()
        place = stop.end() + 1
    return len(code)


def _after_text_block(code: str, place: int) -> int:
    while (stop := _TEXT_BLOCK_STOPS.search(code, place)) is not None:
        if stop[0] != "\\":
            return stop.end()
        place = stop.end() + 1
    return len(code)


class _Outline:
    """The outline of a source: its top-level types, its package and its main methods.

    Attributes:
        types: The complete top-level types.
        package: The words of the package's name.
        has_main: Whether there is a main method outside of all types: then the file is the class (JEP 512).
    """

    def __init__(self) -> None:
        self.types: list[_Type] = []
        self.package: list[str] = []
        self.has_main = False
        self._depth = 0
        self._before = ""
        self._in_package = False
        self._is_public = False
        self._declared: str | None = None
        self._open: _Type | None = None
        self._seen_of_main = 0
        self._is_static = False

    def take(self, word: str) -> None:
        """Read one word."""
        if word == "{":
            self._enter()
        elif word == "}":
            self._leave()
        elif self._depth == 0:
            self._read_head(word)
        self._look_for_main(word)
        self._before = word

    def cut(self) -> None:
        """Add the type in whose body the source was cut off."""
        if self._open is not None:
            self.types.append(self._open)

    def _enter(self) -> None:
        if self._depth == 0 and self._declared is not None:
            self._open = _Type(self._declared, self._is_public)
        self._depth += 1

    def _leave(self) -> None:
        self._depth = max(self._depth - 1, 0)
        if self._depth == 0 and self._open is not None:
            self.types.append(self._open)
            self._end_head()

    def _read_head(self, word: str) -> None:
        if word == ";":
            self._end_head()
        elif self._in_package:
            self.package.append(word)
        elif word == "package":
            self._in_package = not self.package
        elif word == "public":
            self._is_public = True
        elif self._declared is None and self._before in _DECLARES and word.isidentifier():
            self._declared = word

    def _end_head(self) -> None:
        self._in_package = self._is_public = False
        self._declared = self._open = None

    def _look_for_main(self, word: str) -> None:
        """Match `static`, other modifiers and `void main(`, with only words between them."""
        if word == _MAIN[self._seen_of_main]:
            self._seen_of_main += 1
        else:
            self._seen_of_main = int(word == _MAIN[0])
        if self._seen_of_main == len(_MAIN):
            self._seen_of_main = 0
            self._note_main()
        self._is_static = word == "static" or (self._is_static and word.isidentifier())

    def _note_main(self) -> None:
        if self._open is None:
            self.has_main = True
        elif self._is_static:
            self._open.has_static_main = True
        else:
            self._open.has_main = True
