from datetime import UTC, datetime, timedelta

import pytest

from domain.catalogue.figures import NOTHING
from entrypoints.http.dashboard.formatting import (
    between,
    clock_time,
    count,
    inert,
    machine_time,
    preformatted,
    sparkline,
)

NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[31mred", "\u241b[31mred"),
        ("\x00\x07\r", "\u2400\u2407\u240d"),
        ("\x7f\x85\x9b", "\u2421\ufffd\ufffd"),
        ("\u202eback\u2069", "\ufffdback\ufffd"),
        ("日本語 <b>", "日本語 <b>"),
    ],
)
def test_nothing_acts_in_a_text(written, shown):
    assert inert(written) == shown


@pytest.mark.parametrize(
    ("written", "shown"), [("a\n", "a\n"), ("\na", "\n\na"), ("\r\na", "\u240d\na"), ("", "")]
)
def test_a_first_newline_is_repeated_for_an_element_that_drops_one(written, shown):
    assert preformatted(written) == shown


def test_a_count_that_stopped_says_so():
    assert [count(0), count(999), count(1_000), count(1_001)] == ["0", "999", "1,000", "1,000+"]


def test_a_time_between_clocks_is_never_negative():
    assert between(NOON, NOON - timedelta(seconds=1)) == "0 ms"
    assert between(NOON, None) == NOTHING


def test_times_are_written_to_the_millisecond():
    assert clock_time(NOON) == "12:00:00.123"
    assert clock_time(None) == NOTHING
    assert machine_time(NOON) == "2026-01-01T12:00:00.123Z"


def test_a_sparkline_has_a_bar_for_each_number_and_words_for_all():
    drawn = sparkline([0, 1, 100], 'three "numbers"')

    assert drawn.count("<rect") == 3
    assert 'height="28"' in drawn
    assert "&#34;numbers&#34;" in drawn
