"""Times of the options --since and --until."""

from datetime import UTC, datetime, timedelta

import pytest

from entrypoints.cli.times import parse_moment

NOW = datetime(2025, 3, 2, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("30 min", timedelta(minutes=30)),
        ("2H", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        ("1w", timedelta(days=7)),
    ],
)
def test_a_span_is_before_now(text, before):
    assert parse_moment(text, NOW) == NOW - before


@pytest.mark.parametrize(("text", "day"), [("today", 2), ("yesterday", 1), ("2025-03-01", 1)])
def test_a_day_is_its_beginning_at_the_local_time(text, day):
    assert parse_moment(text, NOW) == datetime(2025, 3, day).astimezone()


def test_a_time_has_its_offset_or_is_local():
    assert parse_moment("2025-03-01T10:00+09:00", NOW) == datetime(2025, 3, 1, 1, tzinfo=UTC)
    assert parse_moment("2025-03-01T10:00", NOW) == datetime(2025, 3, 1, 10).astimezone()


@pytest.mark.parametrize("text", ["", "tomorrow", "5", "5y", "-5h", "31.1.2025"])
def test_another_text_is_no_time(text):
    with pytest.raises(ValueError, match=r".*"):
        parse_moment(text, NOW)
