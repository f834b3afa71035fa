import pytest

from entrypoints.cli.client import ServerSentEvent, read_events

STREAM = b': alive\n\nid: 7\nevent: output\ndata: {"a": 1}\n\n' + "data: one\ndata:zwei €\n\n".encode()
EVENTS = [ServerSentEvent("output", '{"a": 1}', "7"), ServerSentEvent("message", "one\nzwei €", "7")]
# Where str.splitlines parts a text beside line feed and carriage return.
SEPARATORS = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"


@pytest.mark.parametrize("size", [1, 2, 7, len(STREAM)])
def test_events_are_read_whatever_the_pieces_that_they_come_in(size):
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert list(read_events(pieces)) == EVENTS


def test_an_event_that_broke_off_is_none():
    assert list(read_events([b"event: end\ndata: {}"])) == []


@pytest.mark.parametrize("separator", SEPARATORS)
def test_only_a_line_feed_ends_a_line(separator):
    # Given data in which a program has put what looks like the end of its job
    data = separator.join(["x", "event: end", "data: {}", "", ""])
    # Then it is data
    stream = f"event: output\ndata: {data}\n\n".encode()
    assert list(read_events([stream])) == [ServerSentEvent("output", data, None)]
