from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.errors import InvalidValue

MAX_MINUTES = 60


def time_slices(now: datetime, minutes: int, number: int) -> Sequence[datetime]:
    """Divide the last minutes, `now` included: return the begin of each slice, and the end of the last.

    Raises:
        InvalidValue: The minutes are out of range.
    """
    if not 1 <= minutes <= MAX_MINUTES:
        raise InvalidValue("minutes", f"must be from 1 to {MAX_MINUTES}")
    begin = now + timedelta.resolution - timedelta(minutes=minutes)
    return [begin + timedelta(minutes=minutes) * place / number for place in range(number + 1)]
