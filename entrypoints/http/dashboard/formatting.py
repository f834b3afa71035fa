"""Formatting of figures, times and small charts on pages, and removal of control characters."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import msgspec
from markupsafe import Markup

from application.lists import Count
from application.ports.dashboard_queries import COUNTED_UP_TO
from domain.catalogue.figures import NOTHING, duration, size

_CHART_HEIGHT = 28
_BAR_WIDTH = 6
_BAR_GAP = 2
# Characters that control a terminal or the direction of text: C0 and C1 except tab and newline, and Unicode's
# "Bidi_Control" (UAX 9, 2).
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_PICTURES = 0x2400
_DELETE = 0x7F


def inert(text: str) -> str:
    """Return a program's output with control characters replaced by their pictures."""
    return _ACTING.sub(_picture, text)


def preformatted(text: str) -> str:
    """Return a program's output for a `pre` element, which drops a first newline (WHATWG HTML, 13.1.2.5)."""
    return inert(f"\n{text}" if text.startswith("\n") else text)


def inert_json(data: object) -> str:
    """Return data as one line of JSON with control characters escaped, safe to paste into a terminal."""
    return _ACTING.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(data, ensure_ascii=False))


def script_json(data: object) -> Markup:
    """Return data as JSON inside an element for a script; no data can close the element."""
    encoded = msgspec.json.encode(data).decode()
    return Markup(encoded.replace("<", "\\u003c"))  # noqa: S704 - the JSON contains no markup


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < ord(" "):
        return chr(_PICTURES + code)
    return "\N{SYMBOL FOR DELETE}" if code == _DELETE else "\N{REPLACEMENT CHARACTER}"


def count(number: int) -> str:
    """Format a number of things, which were counted only up to a limit."""
    return f"{COUNTED_UP_TO:,}+" if number > COUNTED_UP_TO else f"{number:,}"


def counted(number: Count) -> str:
    """Format a number of jobs, which may have been counted only up to a limit."""
    return f"{number.number:,}" if number.is_exact else f"{number.number:,}+"


def count_all(number: int) -> str:
    """Format an exact number of things."""
    return f"{number:,}"


def between(begin: datetime | None, end: datetime | None) -> str:
    """Format the duration between two times."""
    if begin is None or end is None:
        return NOTHING
    return duration(max((end - begin) / timedelta(milliseconds=1), 0.0))


def signed_size(value: int) -> str:
    """Format a change in a number of bytes."""
    return f"\N{MINUS SIGN}{size(-value)}" if value < 0 else size(value)


def clock_time(time: datetime | None) -> str:
    """Format a time of day, with milliseconds."""
    return NOTHING if time is None else time.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3]


def machine_time(time: datetime) -> str:
    """Format a time for programs (RFC 3339)."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def calendar_time(time: datetime) -> str:
    """Format a date and time in UTC; a script on the page converts it to the reader's time zone."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def project_url(reference: object) -> str:
    """Return the path of a project's page, from its name or id."""
    return f"/dashboard/projects/{quote(str(reference), safe='')}"


def sparkline(values: Sequence[int], label: str, highest: int | None = None) -> Markup:
    """Draw a bar chart as SVG, with a text alternative.

    Args:
        values: The heights of the bars.
        label: The text alternative.
        highest: The value at full height; by default the highest value.
    """
    highest = max([*values, 1]) if highest is None else highest
    bars = Markup("").join(
        Markup('<rect x="{}" y="{}" width="{}" height="{}" rx="1"/>').format(
            place * (_BAR_WIDTH + _BAR_GAP), _CHART_HEIGHT - height, _BAR_WIDTH, height
        )
        for place, height in enumerate(_heights(values, highest))
    )
    width = len(values) * (_BAR_WIDTH + _BAR_GAP) - _BAR_GAP
    return Markup(
        '<svg class="spark" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">{}</svg>'
    ).format(label, width, _CHART_HEIGHT, width, _CHART_HEIGHT, bars)


def _heights(values: Sequence[int], highest: int) -> list[int]:
    """Scale values to the highest one. A value above zero stays visible; zero is a line."""
    return [max(round(value / highest * _CHART_HEIGHT), 3) if value else 1 for value in values]
