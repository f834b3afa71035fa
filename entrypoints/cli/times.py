"""The times in options: dates, names of days, and time spans before now."""

import re
from datetime import datetime, timedelta

import rich_click as click

from domain.catalogue.text import text
from entrypoints.cli.errors import in_language

_SPAN = re.compile(r"(\d{1,6}) ?(s|m|min|h|d|w)", re.ASCII)
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_DAYS_AGO = {"today": 0, "yesterday": 1}


class Moment(click.ParamType[datetime]):
    """A date, a time, `today`, `yesterday`, or a span before now; local if it has no offset."""

    name = "time"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Parse a time."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_moment(value, datetime.now().astimezone())
        except (ValueError, OverflowError):
            self.fail(in_language(text("cli.not_a_time", given=value)), param, ctx)


def parse_moment(given: str, now: datetime) -> datetime:
    """Parse a time. A day stands for its beginning.

    Raises:
        ValueError: The format is wrong.
        OverflowError: The time is before the year 1.
    """
    if span := _SPAN.fullmatch(given.lower()):
        return now - int(span[1]) * _UNITS[span[2]]
    if (days := _DAYS_AGO.get(given.lower())) is not None:
        day = now.date() - timedelta(days=days)
        return datetime(day.year, day.month, day.day).astimezone()
    return datetime.fromisoformat(given).astimezone()
