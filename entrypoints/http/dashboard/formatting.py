"""Formats of figures, times and small charts on pages, and texts without control characters."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import msgspec
from markupsafe import Markup

from application.ports.dashboard_queries import COUNTED_UP_TO
from application.views import Count
from domain.catalogue.figures import NOTHING, duration, size

_CHART_HEIGHT = 28
_BAR_WIDTH = 6
_BAR_GAP = 2
# What acts on a terminal or turns the direction of a text: C0 and C1 but tab and newline, and Unicode's
# "Bidi_Control" (UAX 9, 2).
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_PICTURES = 0x2400
_DELETE = 0x7F


def inert(text: str) -> str:
    """Return a program's output with control characters replaced by their pictures."""
    return _ACTING.sub(_picture, text)


def inert_json(data: object) -> str:
    """Return data as one line of JSON with control characters escaped, safe to paste into a terminal."""
    return _ACTING.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(data, ensure_ascii=False))


def script_json(data: object) -> Markup:
    """Return data as JSON for a script that reads it from an element, which nothing in it can end."""
    encoded = msgspec.json.encode(data).decode()
    return Markup(encoded.replace("<", "\\u003c"))  # noqa: S704 - no character of it is markup


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < ord(" "):
        return chr(_PICTURES + code)
    return "\N{SYMBOL FOR DELETE}" if code == _DELETE else "\N{REPLACEMENT CHARACTER}"


def count(number: int) -> str:
    """Format a number of things, as far as they were counted."""
    return f"{COUNTED_UP_TO:,}+" if number > COUNTED_UP_TO else f"{number:,}"


def counted(number: Count) -> str:
    """Format a number of jobs, as far as they were counted."""
    return f"{number.number:,}" if number.is_exact else f"{number.number:,}+"


def count_all(number: int) -> str:
    """Format a number of things that were all counted."""
    return f"{number:,}"


def between(begin: datetime | None, end: datetime | None) -> str:
    """Format the duration between two times."""
    if begin is None or end is None:
        return NOTHING
    return duration(max((end - begin) / timedelta(milliseconds=1), 0.0))


def signed_size(value: int) -> str:
    """Format a change of a number of bytes."""
    return f"\N{MINUS SIGN}{size(-value)}" if value < 0 else size(value)


def clock_time(time: datetime | None) -> str:
    """Format a time of day, to the millisecond."""
    return NOTHING if time is None else time.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3]


def machine_time(time: datetime) -> str:
    """Format a time for programs (RFC 3339)."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def calendar_time(time: datetime) -> str:
    """Format a date and time in UTC; a page's script shows it in the reader's zone."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def project_url(reference: object) -> str:
    """Return the path of a project's page, by its name or its id."""
    return f"/dashboard/projects/{quote(str(reference), safe='')}"


def sparkline(values: Sequence[int], label: str, highest: int | None = None) -> Markup:
    """Draw a bar chart as SVG, with a text alternative.

    Args:
        values: The heights of its bars.
        label: The text.
        highest: The value of the full height; that of the highest bar by default.
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
    """Scale to the highest value: a value above zero is visible, and zero is a line."""
    return [max(round(value / highest * _CHART_HEIGHT), 3) if value else 1 for value in values]
