import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.ports.output_feed import OutputChunk, Stream
from application.streamed_output import streamed_output
from domain.execution import Output


def stdout_of(*pieces, inline_bytes=1_000):
    chunks = [OutputChunk(Stream.STDOUT, offset, data) for offset, data in pieces]
    return streamed_output(chunks, inline_bytes)[Stream.STDOUT]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], Output()),
        ([(0, b"one "), (4, b"two")], Output("one two", 7)),
        ([(4, b"two"), (0, b"one ")], Output("one two", 7)),
        ([(0, "é".encode()[:1]), (1, "é".encode()[1:])], Output("é", 2)),
        ([(0, b"one "), (0, b"one "), (2, b"e two")], Output("one two", 7)),
        ([(5, b"late")], Output("[... 5 bytes omitted ...]\nlate", 9, truncated=True)),
        ([(0, b"a"), (4, b"b")], Output("a\n[... 3 bytes omitted ...]\nb", 5, truncated=True)),
    ],
)
def test_pieces_are_put_together_and_gaps_are_said(pieces, expected):
    assert stdout_of(*pieces) == expected


def test_of_much_there_is_the_head_and_the_tail():
    output = stdout_of((0, b"a" * 20), (20, b"z" * 20), inline_bytes=10)

    assert output == Output("aaaaa\n[... 30 bytes omitted ...]\nzzzzz", 40, truncated=True)


@given(st.lists(st.binary(min_size=1, max_size=9)), st.integers(2, 40))
def test_whole_output_comes_back_and_what_is_shown_is_bounded(pieces, inline_bytes):
    offsets = [sum(map(len, pieces[:place])) for place in range(len(pieces))]
    whole = b"".join(pieces)

    output = stdout_of(*zip(offsets, pieces, strict=True), inline_bytes=inline_bytes)

    assert output.total_bytes == len(whole)
    if len(whole) <= inline_bytes - 1:
        assert output == Output(whole.decode("utf-8", "replace"), len(whole))
    assert output.truncated == ("bytes omitted" in output.text)


def test_streams_are_kept_apart():
    chunks = [OutputChunk(stream, 0, stream.value.encode()) for stream in Stream]

    assert {stream: output.text for stream, output in streamed_output(chunks, 100).items()} == {
        stream: stream.value for stream in Stream
    }
