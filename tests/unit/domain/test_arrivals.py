"""The times at which output arrived."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.arrivals import MAX_MARKS, ArrivalRecorder, Arrivals

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def recorded(*chunks: tuple[str, int, int]) -> Arrivals | None:
    """Record chunks: their stream, their end and their time in milliseconds."""
    recorder = ArrivalRecorder()
    for stream, end, ms in chunks:
        recorder.add(stream, end, BEGIN + timedelta(milliseconds=ms))
    return recorder.arrivals


def test_nothing_has_no_times():
    assert recorded() is None


def test_each_chunk_has_its_time_and_the_streams_their_order():
    arrivals = recorded(("stdout", 5, 0), ("stderr", 3, 4), ("stdout", 9, 5), ("stdout", 12, 1_500))

    assert arrivals is not None
    assert arrivals.begin == BEGIN
    assert arrivals.marks == ((0, 5, 0), (4, 5, 3), (5, 9, 3), (1_500, 12, 3))
    assert arrivals.of("stderr") == [(0, 0), (4, 3), (5, 3), (1_500, 3)]


def test_chunks_of_a_stream_that_come_together_have_one_mark_of_the_last():
    arrivals = recorded(*(("stdout", end, end) for end in range(25)))

    assert arrivals is not None
    assert arrivals.marks == ((9, 9, 0), (19, 19, 0), (24, 24, 0))


def test_a_clock_that_is_set_back_does_not_turn_the_order():
    arrivals = recorded(("stdout", 1, 0), ("stdout", 2, 500), ("stdout", 3, 100), ("stdout", 4, 600))

    assert arrivals is not None
    assert [mark[0] for mark in arrivals.marks] == [0, 500, 600]


@pytest.mark.parametrize("number", [MAX_MARKS, MAX_MARKS + 1, 7 * MAX_MARKS])
def test_of_many_chunks_there_are_few_marks_and_the_last_stays(number: int):
    streams = ("stdout", "stderr")
    arrivals = recorded(*((streams[place % 2], place // 2 + 1, place * 20) for place in range(number)))

    assert arrivals is not None
    assert MAX_MARKS // 4 < len(arrivals.marks) <= MAX_MARKS
    assert arrivals.marks[-1] == ((number - 1) * 20, (number + 1) // 2, number // 2)
    assert list(arrivals.marks) == sorted(arrivals.marks)


def test_a_log_has_them_as_json():
    arrivals = recorded(("stdout", 5, 0), ("stderr", 3, 40))
    assert arrivals is not None
    written = {**arrivals.as_json(), "marks": [list(mark) for mark in arrivals.marks]}

    read = Arrivals.from_json(written)

    assert read is not None
    assert (read.begin, list(read.marks)) == (arrivals.begin, list(arrivals.marks))


@pytest.mark.parametrize(
    "written",
    [
        None,
        [],
        {"marks": []},
        {"begin": "yesterday", "marks": []},
        {"begin": 7, "marks": []},
        {"begin": BEGIN.isoformat(), "marks": "many"},
        {"begin": BEGIN.isoformat(), "marks": [[1, 2]]},
        {"begin": BEGIN.isoformat(), "marks": [[1, 2, -3]]},
        {"begin": BEGIN.isoformat(), "marks": [[1, 2, 3.5]]},
        {"begin": BEGIN.isoformat(), "marks": [[1, 2, True]]},
        {"begin": BEGIN.isoformat(), "marks": [[5, 2, 3], [4, 2, 3]]},
        {"begin": BEGIN.isoformat(), "marks": [[5, 2, 3], [6, 1, 3]]},
        {"begin": BEGIN.isoformat(), "marks": [[0, 0, 0]] * (MAX_MARKS + 1)},
    ],
)
def test_others_than_these_are_none(written: object):
    assert Arrivals.from_json(written) is None
