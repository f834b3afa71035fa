"""Reads the answers of older runners: the literal of a Python dictionary, as `str(answer)` writes it.

Python's own reader builds a syntax tree first, which takes hundreds of times the memory of its text and as
much stack as the text is deep. This one goes over the text once, as deep as answers are.
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
# Behind a value that has no mark of its own at its end.
_ENDS = frozenset(",:]})")
_LONGEST_NUMBER = 400
_CLOSING = {"{": "}", "[": "]", "(": ")"}


def read_literal(text: str) -> object:
    """Read a literal of strings, bytes, numbers, constants, and dictionaries, lists and tuples of them.

    Raises:
        ValueError: It is something else, or deeper than answers are.
    """
    reader = _Reader(text)
    value = reader.value(_DEEPEST)
    if reader.next_sign():
        raise ValueError("something follows the literal")
    return value


class _Reader:
    """Goes over a text from its start to its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    def next_sign(self) -> str:
        """Return the next character that is no blank, without taking it; empty at the end."""
        text = self._text
        while self._place < len(text) and text[self._place].isspace():
            self._place += 1
        return text[self._place : self._place + 1]

    def value(self, depth: int) -> object:
        """Take a value, in which others may be as deep as that."""
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
            return ast.literal_eval(self._text[begin : self._place])  # one string: a tree of one node
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
