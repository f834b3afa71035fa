"""Time ranges that end now, and their division into slices."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.catalogue.text import text
from domain.errors import InvalidValue

MAX_MINUTES = 31 * 24 * 60


def begin_of_range(now: datetime, minutes: int) -> datetime:
    """Return the start of the last minutes, which include `now`.

    Raises:
        InvalidValue: The minutes are out of range.
    """
    if not 1 <= minutes <= MAX_MINUTES:
        raise InvalidValue("minutes", text("problems.from_1", maximum=MAX_MINUTES))
    return now + timedelta.resolution - timedelta(minutes=minutes)


def time_slices(now: datetime, minutes: int, number: int) -> Sequence[datetime]:
    """Divide the last minutes, including `now`; return the start of each slice, and the end of the last.

    Raises:
        InvalidValue: The minutes are out of range.
    """
    begin = begin_of_range(now, minutes)
    return [begin + timedelta(minutes=minutes) * place / number for place in range(number + 1)]
