import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.execution import Output

CAP = 16


def stdout_of(*pieces, inline_bytes=1_000):
    return Output.of_pieces(dict(pieces), inline_bytes)


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


@given(st.text(max_size=60).map(str.encode))
def test_an_output_says_its_size_and_keeps_head_and_tail(data):
    output = Output.of_pieces({0: data}, CAP)

    assert output.total_bytes == len(data)
    assert output.truncated is (len(data) > CAP)
    if not output.truncated:
        assert output.text == data.decode()
        return
    legible = data.decode()
    head, _, rest = output.text.partition("\n[... ")
    omitted, _, tail = rest.partition(" bytes omitted ...]\n")
    assert legible.startswith(head)
    assert legible.endswith(tail)
    assert 0 < int(omitted) <= len(data) - CAP + 6


@pytest.mark.parametrize("size", [0, 1, CAP])
def test_an_output_that_fits_is_whole(size):
    output = Output.of_pieces({0: b"x" * size}, CAP)
    assert (output.text, output.truncated) == ("x" * size, False)


def test_one_byte_too_many_is_cut_from_the_middle():
    output = Output.of_pieces({0: b"a" * 8 + b"-" + b"z" * 8}, CAP)
    assert output.text == "aaaaaaaa\n[... 1 bytes omitted ...]\nzzzzzzzz"
