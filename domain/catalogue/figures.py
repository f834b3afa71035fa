"""Formatting and parsing of durations and sizes; unit symbols are the same in every language."""

import re
from collections.abc import Mapping

NOTHING = "\N{EN DASH}"
_SECOND_MS = 1_000
_MINUTE_S = 60
_HOUR_S = 3_600
_DAY_S = 86_400
_KIBI = 1024
_QUANTITY = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([A-Za-z]*)", re.ASCII)
_SPACE_BEFORE_NUMBER = re.compile(r"(?<!\s)\s++(?=\d)", re.ASCII)
_DURATIONS_MS = {
    "": 1,
    "ms": 1,
    "s": _SECOND_MS,
    "sec": _SECOND_MS,
    "m": 60_000,
    "min": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
}
_SIZES_MIB: Mapping[str, float] = {
    **dict.fromkeys(("b", "byte", "bytes"), 1 / _KIBI / _KIBI),
    **dict.fromkeys(("k", "kb", "kib"), 1 / _KIBI),
    **dict.fromkeys(("", "m", "mb", "mib"), 1.0),
    **dict.fromkeys(("g", "gb", "gib"), float(_KIBI)),
}


def duration(milliseconds: float | None) -> str:
    """Format a duration: `12 ms`, `1.2 s`, `3 min 4 s`, `5 h 6 min`, `7 d 8 h`."""
    if milliseconds is None:
        return NOTHING
    if milliseconds < _SECOND_MS:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / _SECOND_MS
    if seconds < _MINUTE_S:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"
    return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S} h"


def size(number: float | None) -> str:
    """Format a number of bytes: `12 B`, `1.5 KiB`, `256 MiB`."""
    if number is None:
        return NOTHING
    if number < _KIBI:
        return f"{number:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        number /= _KIBI
        if number < _KIBI or unit == "GiB":
            break
    return f"{number:.1f}".removesuffix(".0") + f" {unit}"


def exact_duration(milliseconds: int) -> str:
    """Format a duration in one unit, to be edited and parsed again: `90 s`, `2 min`, `1500 ms`."""
    for unit in ("h", "min", "s"):
        if milliseconds and milliseconds % _DURATIONS_MS[unit] == 0:
            return f"{milliseconds // _DURATIONS_MS[unit]} {unit}"
    return f"{milliseconds} ms"


def exact_size(mebibytes: int) -> str:
    """Format a size in one unit, to be edited and parsed again: `512 MiB`, `2 GiB`."""
    if mebibytes and mebibytes % _KIBI == 0:
        return f"{mebibytes // _KIBI} GiB"
    return f"{mebibytes} MiB"


def limit_figure(name: str, value: float) -> str:
    """Format the value of a limit, whose name ends with its unit."""
    if name.endswith("_ms"):
        return duration(value)
    return size(value * _KIBI * _KIBI) if name.endswith("_mb") else f"{value:,.0f}"


def is_cut(name: str, measured: float, allowed: int) -> bool:
    """Whether a value is output that was cut at its limit: it is counted in whole MiB, rounded up."""
    return name == "output_mb" and allowed < measured <= allowed + 1


def read_duration(text: str) -> int:
    """Parse a duration such as `10 s`, `1 min 30 s` or `250 ms`; return milliseconds, the default unit.

    Raises:
        ValueError: The text is not a valid duration.
    """
    terms = _SPACE_BEFORE_NUMBER.split(text.strip())
    if len(terms) > 1 and not all(term[-1].isalpha() for term in terms):
        raise ValueError(text)
    return sum(_read(term, _DURATIONS_MS) for term in terms)


def read_size(text: str) -> int:
    """Parse a size such as `512 MiB` or `1 GiB`; return mebibytes, the default unit.

    Raises:
        ValueError: The text is not a valid size, or not a whole number of MiB.
    """
    return _read(text, _SIZES_MIB)


def _read(text: str, units: Mapping[str, float]) -> int:
    found = _QUANTITY.fullmatch(text.strip())
    unit = units.get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise ValueError(text)
    value = float(found[1]) * unit
    if not value.is_integer():
        raise ValueError(text)
    return int(value)
