"""Parser for the answers of older runners: the literal of a Python dictionary, as printed by `str(answer)`.

`ast.literal_eval` builds a syntax tree first. The tree takes hundreds of times the memory of the text, and
its stack grows with the nesting of the text. This parser reads the text in one pass, with a limit on nesting.
"""

import ast
from collections.abc import Mapping

_DEEPEST = 8
_CONSTANTS: Mapping[str, object] = {
    "None": None,
    "True": True,
    "False": False,
    "nan": float("nan"),
    "inf": float("inf"),
    "-inf": float("-inf"),
}
_QUOTES = frozenset("'\"")
# Characters that end a value without a closing delimiter of its own.
_ENDS = frozenset(",:]})")
_LONGEST_NUMBER = 400
_CLOSING = {"{": "}", "[": "]", "(": ")"}


def read_literal(text: str) -> object:
    """Parse a literal of strings, bytes, numbers, constants, and dictionaries, lists and tuples of them.

    Raises:
        ValueError: The text is no such literal, or is nested too deeply.
    """
    reader = _Reader(text)
    value = reader.value(_DEEPEST)
    if reader.next_sign():
        raise ValueError("something follows the literal")
    return value


class _Reader:
    """Reads a text from start to end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    def next_sign(self) -> str:
        """Skip whitespace and return the next character without consuming it; empty at the end."""
        text = self._text
        while self._place < len(text) and text[self._place].isspace():
            self._place += 1
        return text[self._place : self._place + 1]

    def value(self, depth: int) -> object:
        """Consume a value that may contain up to `depth` levels of nested values."""
        sign = self.next_sign()
        if sign in _CLOSING and depth > 0:
            return self._dictionary(depth - 1) if sign == "{" else self._sequence(_CLOSING[sign], depth - 1)
        begin = self._place
        if sign == "b":
            self._place += 1
        if self._text[self._place : self._place + 1] in _QUOTES:
            return self._string(begin)
        return self._plain(begin)

    def _dictionary(self, depth: int) -> object:
        members: dict[object, object] = {}
        self._place += 1
        while self.next_sign() != "}":
            key = self.value(0)
            self._take(":")
            members[key] = self.value(depth)
            self._take_separator("}")
        self._place += 1
        return members

    def _sequence(self, closing: str, depth: int) -> object:
        members = []
        self._place += 1
        while self.next_sign() != closing:
            members.append(self.value(depth))
            self._take_separator(closing)
        self._place += 1
        return members

    def _string(self, begin: int) -> object:
        quote = self._text[self._place]
        place = self._place + 1
        while (char := self._text[place : place + 1]) != quote:
            if char in ("", "\n"):
                raise ValueError("a string has no end")
            place += 2 if char == "\\" else 1
        self._place = place + 1
        try:
            return ast.literal_eval(self._text[begin : self._place])  # a single node
        except SyntaxError as error:
            raise ValueError("a string cannot be read") from error

    def _plain(self, begin: int) -> object:
        while self._text[self._place : self._place + 1] not in _ENDS and self._place < len(self._text):
            self._place += 1
        if self._place - begin > _LONGEST_NUMBER:
            raise ValueError("a number is longer than any figure")
        word = self._text[begin : self._place].strip()
        if word in _CONSTANTS:
            return _CONSTANTS[word]
        return float(word) if {".", "e"} & set(word) else int(word)

    def _take(self, sign: str) -> None:
        if self.next_sign() != sign:
            raise ValueError(f"{sign} is missing")
        self._place += 1

    def _take_separator(self, closing: str) -> None:
        if self.next_sign() != closing:
            self._take(",")
