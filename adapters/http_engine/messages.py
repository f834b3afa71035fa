"""Engines' error messages, sanitized for display."""

import json
import re

from adapters.http_engine.client import Answer

MAX_CHARS = 200

_WHERE = re.compile(
    r"""
      [a-z][a-z0-9+.-]*://[^\s'"<>]+                               # an address with its scheme
    | \b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b                         # IPv4
    | (?<![\w:])\[?(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}\b\]?(?::\d+)?  # IPv6
    | \bip-\d+-\d+-\d+-\d+(?:\.[a-z0-9-]+)*                        # a name that a cloud gives
    | \b[a-z0-9-]+(?:\.[a-z0-9-]+)*:\d{2,5}\b                      # a name with a port
    | \b(?:[a-z0-9-]+\.)+(?:internal|local|localdomain|com|net|org|io|dev|cloud|aws)\b
    | \blocalhost\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
_MEMBERS = ("error", "detail", "message")


def error_of(answer: Answer) -> str:
    """Return the full text of an engine's error, or an empty string if the answer is an HTML page."""
    if "html" in answer.content_type:  # the error page of a proxy
        return ""
    answer.body.seek(0)
    return _text_of(answer.body.read().decode("utf-8", "replace"))


def error_message(answer: Answer) -> str:
    """Return an engine's error in one line without addresses, or an empty string if it has no text."""
    return shown(error_line(error_of(answer)))


def error_line(text: str) -> str:
    """Return the line that names the error: the last line of a Python traceback, else the first line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]


def shown(line: str) -> str:
    """Return a line that is safe to show: short, printable, without host names and without a full stop."""
    masked = _WHERE.sub("…", line[: 4 * MAX_CHARS])
    printable = "".join(char if char.isprintable() else " " for char in masked).rstrip(". ")
    return printable if len(printable) <= MAX_CHARS else printable[: MAX_CHARS - 1] + "…"


def _text_of(text: str) -> str:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(document, dict):
        return next((document[key] for key in _MEMBERS if isinstance(document.get(key), str)), "")
    return document if isinstance(document, str) else ""
