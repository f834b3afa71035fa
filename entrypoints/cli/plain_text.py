"""Text of others, made harmless to a terminal."""

import json

_KEPT = "\n\t"


def printable(text: str) -> str:
    """Show what would act on a terminal (ECMA-48 controls, Unicode's format characters) as an escape."""
    return "".join(c if c in _KEPT or _is_harmless(c) else _escape(c) for c in text)


def one_line(text: str) -> str:
    """The same, for what must stay on its line."""
    if text.isprintable():  # nearly every line of the log is, and is told so in a fiftieth of the time
        return text
    return "".join(c if _is_harmless(c) else _escape(c) for c in text)


def printable_json(data: object) -> str:
    """Write data as indented JSON, with the same as escapes of JSON's own (RFC 8259, 7)."""
    text = json.dumps(data, indent=2, ensure_ascii=False)
    return "".join(c if c == "\n" or _is_harmless(c) else json.dumps(c)[1:-1] for c in text)


def _is_harmless(character: str) -> bool:
    return character.isprintable() or character == "\N{IDEOGRAPHIC SPACE}"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
